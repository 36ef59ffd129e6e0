// Plays flow time: the control t goes from 0 to 1, and noise becomes data.

const WHOLE_WAY = 4000; // ms
const STEPS = 5; // for people who asked for reduced motion: so many still pictures on the same way

class FlowTime {
  /** slider: the control of t. changed(playing): it has begun, or ended. */
  constructor(slider, changed) {
    Object.assign(this, { slider, changed });
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
    this.start = this.slider.value < 1 ? this.slider.value : 0;
    this.began = performance.now();
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
    const passed = (performance.now() - this.began) / WHOLE_WAY;
    const way = this.calm.matches ? Math.floor(passed * STEPS) / STEPS : passed;
    const { places } = this.slider, t = Math.min(1, this.start + way);
    this.moving = true; // by itself: a person who moves t ends it
    this.slider.moved(places.findLast((place) => place <= t + 1e-9));
    this.moving = false;
    if (t >= 1) this.stop();
    else this.next = requestAnimationFrame(() => this.tick());
  }
}
