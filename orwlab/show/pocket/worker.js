// The worker's end of the Pocket lab: answers what a page asks, and sends pictures while there is something new.

import { given } from "./given.js";
import { Service } from "./service.js";

/* global self */
const service = new Service({ send: (message) => self.postMessage(message), given });
self.onmessage = ({ data }) => service.hear(data);
