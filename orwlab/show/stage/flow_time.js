// Plays flow time: a control of t goes from 0 to 1, and noise becomes data.

const WHOLE_WAY = 4000; // ms, if the pictures keep up
const STEPS = 5; // for people who asked for reduced motion: so many still pictures on the same way
const BEHIND = 0.15; // how far the picture may be from the control before that waits
const LONGEST_WAIT = 3000; // ms

export class FlowTime {
  /** slider: the control of t. seen(): the t of the picture on show. changed(playing): it has begun, or ended. */
  constructor(slider, seen, changed) {
    Object.assign(this, { slider, seen, changed });
    this.playing = this.moving = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  }

  toggle() {
    if (this.playing) this.stop();
    else this.play();
  }

  /** From where t stands, or from the noise if it stands at its end. */
  play() {
    this.playing = true;
    this.t = this.slider.value < 1 ? this.slider.value : 0;
    this.clock = this.moved = performance.now();
    this.changed(true);
    this.tick();
  }

  stop() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.next);
    this.changed(false);
  }

  tick() {
    const now = performance.now(), passed = Math.min(100, now - this.clock);
    this.clock = now;
    // a slow server makes it slower, and nothing of it is left out
    const behind = Math.abs((this.seen() ?? this.slider.value) - this.slider.value) > BEHIND;
    if (!behind || now - this.moved > LONGEST_WAIT) this.t = Math.min(1, this.t + passed / WHOLE_WAY);
    const t = this.calm.matches ? Math.floor(this.t * STEPS + 1e-9) / STEPS : this.t;
    const place = this.slider.places.findLast((one) => one <= t + 1e-9);
    if (place !== this.slider.value) this.moved = now;
    this.moving = true; // by itself: a person who moves t ends it
    this.slider.moved(place);
    this.moving = false;
    if (this.t >= 1) this.stop();
    else this.next = requestAnimationFrame(() => this.tick());
  }
}
