// Curves smoothed for the eye.

/**
 * Exponential moving average over steps, not over points, so that a thinned stretch and a full one are smoothed alike.
 * `amount` 0..0.99 chooses the time constant: amount / (1 - amount) five-hundredths of the run.
 */
export class Smoother {
  /**
   * @param {number} amount
   * @param {number} total Steps of the run.
   */
  constructor(amount, total) {
    this.constant = Math.max(0.5, ((amount / (1 - amount)) * Math.max(total, 50)) / 500);
    this.sum = 0;
    this.weight = 0;
    /** @type {number | null} */
    this.last = null;
  }

  /**
   * Returns the average after one more value.
   * @param {number} step
   * @param {number} value Of the `span` steps up to `step`: a point's of one, a bucket's mean of all of the bucket.
   * @param {number} [span]
   */
  next(step, value, span = 1) {
    const gap = this.last === null ? span : Math.max(0, step - this.last);
    const keep = Math.exp(-gap / this.constant);
    const share = 1 - Math.exp(-Math.min(span, gap) / this.constant);
    this.last = step;
    this.sum = this.sum * keep + value * share;
    this.weight = this.weight * keep + share;
    return this.sum / this.weight;
  }
}
