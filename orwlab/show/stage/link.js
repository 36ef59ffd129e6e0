// How a stage lives in its page and keeps in touch with the sender of its frames.

const ACKNOWLEDGE_EVERY = 10; // data frames
const SILENCE = 4000; // ms without a frame, while it should be moving, after which the sender is asked

export class Link {
  constructor(stage) {
    this.stage = stage;
    this.run = null;
    this.seq = 0;
    this.asked = -Infinity;
    this.ending = null;
  }

  /** Listens to the page as long as the stage is part of it; hosts may take it out and put it back. */
  open() {
    const { stage } = this;
    if (this.ending || stage.destroyed || !stage.root.isConnected) return;
    const retheme = () => {
      stage.theme = null;
      stage.schedule();
    };
    // hosts switch to dark by a class or attribute on the body or the root element
    const looks = new MutationObserver(retheme);
    looks.observe(document.body, { attributes: true });
    looks.observe(document.documentElement, { attributes: true });
    const ending = new AbortController(), { signal } = ending;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", retheme, { signal });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.acknowledge(true);
      stage.schedule();
    }, { signal });
    // should be moving but nothing came: the sender may have given up on a sleeping browser
    const watchdog = setInterval(() => {
      if (!stage.root.isConnected) this.close();
      else if (!document.hidden && stage.meta?.state === "running" &&
          performance.now() - stage.pace.arrivedAt > SILENCE) this.acknowledge(true);
    }, SILENCE / 2);
    signal.addEventListener("abort", () => {
      looks.disconnect();
      clearInterval(watchdog);
    });
    this.ending = ending;
  }

  close() {
    this.ending?.abort();
    this.ending = null;
  }

  /** A data frame has been painted. */
  painted() {
    const { run, seq } = this.stage.meta;
    if (run !== this.run || seq - this.seq >= ACKNOWLEDGE_EVERY) this.acknowledge(false);
  }

  /** Tells the sender what was painted; asks for a new stream if nobody is sending any more. */
  async acknowledge(mayWake) {
    const { meta, host } = this.stage;
    // one at a time, but an answer that got lost must not silence the stage for ever
    if (!meta || !host.acknowledge || performance.now() - this.asked < 5000) return;
    this.asked = performance.now();
    const { run, seq } = meta;
    try {
      const alive = await host.acknowledge(run, seq);
      Object.assign(this, { run, seq });
      if (mayWake && alive === false) host.wake?.();
    } catch {
      // the network is away; the next frame or the watchdog tries again
    } finally {
      this.asked = -Infinity;
    }
  }
}
