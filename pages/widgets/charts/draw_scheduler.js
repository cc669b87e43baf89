// When to draw: soon, but never so often that the page has no time for anything else.

export class DrawScheduler {
  /**
   * @param {() => unknown} draw
   * @param {number} rest After a drawing nothing is drawn for this many times as long as it took.
   */
  constructor(draw, rest) {
    this.draw = draw;
    this.rest = rest;
    this.due = false;
    this.restUntil = 0;
  }

  /** Draw with the next animation frame after the rest. */
  request() {
    if (this.due) return;
    this.due = true;
    const wait = Math.max(0, this.restUntil - performance.now());
    setTimeout(() => requestAnimationFrame(() => this.#run()), wait);
  }

  async #run() {
    this.due = false;
    const start = performance.now();
    await this.draw();
    this.restUntil = performance.now() + this.rest * (performance.now() - start);
  }
}
