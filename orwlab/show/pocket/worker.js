// The worker's end of the Pocket lab: answers what a page asks, and sends pictures while there is something new.

import { given } from "./given.js";
import { Service } from "./service.js";

/* global self */
const { port1, port2 } = new MessageChannel(), waiting = [];
port1.onmessage = () => waiting.shift()();

/** As soon as what the page has said is heard, where no time is given: timers would wait 4 ms each time. */
const later = (callback, ms) => {
  if (ms > 0) return setTimeout(callback, ms);
  waiting.push(callback);
  return port2.postMessage(null);
};
const service = new Service({ send: (message) => self.postMessage(message), given, later });
self.onmessage = ({ data }) => service.hear(data);
