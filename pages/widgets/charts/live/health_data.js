// What this tab knows of one run's health: sampled layers by column, a histogram that adds up, epochs, and pictures.

/** @typedef {{ layer: string, values: number[] }} LayerValues */

export class HealthData {
  constructor() {
    /** @type {Map<string, Packed>} */
    this.views = new Map();
    this.begun = false; // whether a fresh message has come, which others add to
    /** @type {Seen} */
    this.seen = { sample: -1, step: -1, epoch: -1 };
    /** @type {string[]} */
    this.columns = [];
    /** @type {number[]} */
    this.steps = []; // that were sampled
    /** @type {number[][]} */
    this.values = []; // by column, then by sample
    /** @type {Map<number, number>} */
    this.bins = new Map();
    this.total = 0; // steps in the histogram
    this.clipped = 0;
    this.nonFinite = 0;
    this.clipping = false;
    /** @type {{ steps: number[], values: number[] }} */
    this.lossScale = { steps: [], values: [] };
    /** @type {number[]} */
    this.skipped = [];
    /** @type {{ epoch: number[], loss: number[], patience: number[] }} */
    this.epochs = { epoch: [], loss: [], patience: [] };
  }

  /** Forget all but the pictures. */
  #reset() {
    Object.assign(this, new HealthData(), { views: this.views });
  }

  /**
   * Add a message; false when it does not fit what is here, and all must be requested again.
   * @param {HealthMessage | ViewMessage} message
   */
  add(message) {
    if (message.t === "view") {
      this.views.set(message.name, message.picture);
      return true;
    }
    if (message.fresh) this.#begin(/** @type {string[]} */ (message.columns));
    else if (!this.begun || (message.columns ?? this.columns.length) !== this.columns.length) {
      this.#reset();
      return false;
    }
    const { sample, step, epoch } = message.seen;
    this.seen = { sample, step, epoch };
    this.#addSamples(message.arrays);
    this.#addNorms(message);
    this.#addEpochs(message.arrays);
    return true;
  }

  /** @param {string[]} columns */
  #begin(columns) {
    this.#reset();
    this.begun = true;
    this.columns = columns;
    this.values = columns.map(() => []);
  }

  /** @param {Record<string, PackedArray>} arrays */
  #addSamples({ sample_steps: steps, samples }) {
    steps.forEach((step, row) => {
      this.steps.push(step);
      this.values.forEach((values, column) => {
        values.push(samples[row * this.columns.length + column]);
      });
    });
  }

  /** @param {HealthMessage} message */
  #addNorms({ arrays, steps, clipped, clipping, non_finite }) {
    arrays.bins.forEach((bin, i) => {
      this.bins.set(bin, (this.bins.get(bin) ?? 0) + arrays.counts[i]);
    });
    this.total += steps;
    this.clipped += clipped;
    this.nonFinite += non_finite;
    this.clipping ||= clipping;
    arrays.scale_steps.forEach((step, i) => {
      if (arrays.scales[i] === this.lossScale.values.at(-1)) return;
      this.lossScale.steps.push(step);
      this.lossScale.values.push(arrays.scales[i]);
    });
    this.skipped.push(...arrays.skipped);
  }

  /** @param {Record<string, PackedArray>} arrays */
  #addEpochs({ epochs, val_loss: loss, patience }) {
    this.epochs.epoch.push(...epochs);
    this.epochs.loss.push(...loss);
    this.epochs.patience.push(...patience);
  }

  /**
   * Returns the layers of one kind of column, such as "grad_norm", in the network's order.
   * @param {string} kind
   * @returns {LayerValues[]}
   */
  layers(kind) {
    return this.columns.flatMap((column, i) =>
      column.startsWith(`${kind}/`) ? [{ layer: column.slice(kind.length + 1), values: this.values[i] }] : [],
    );
  }

  /** The epoch of the lowest validation loss, or null. */
  get best() {
    /** @type {{ epoch: number, loss: number } | null} */
    let best = null;
    for (const [i, loss] of this.epochs.loss.entries()) {
      if (loss < (best?.loss ?? Number.POSITIVE_INFINITY)) best = { epoch: this.epochs.epoch[i], loss };
    }
    return best;
  }
}
