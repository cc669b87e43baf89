// What this tab knows of one run's layers: looks by column, a histogram that adds up, early stopping, and pictures.

export class Health {
  constructor() {
    this.views = new Map();
    this.#reset();
  }

  #reset() {
    this.fresh = false; // whether anything was ever told
    this.seen = { sample: -1, step: -1, epoch: -1 };
    this.columns = [];
    this.steps = [];
    this.values = [];
    this.bins = new Map();
    this.total = this.clipped = this.odd = 0;
    this.clips = false;
    this.scale = { steps: [], values: [] };
    this.skipped = [];
    this.epochs = { epoch: [], loss: [], patience: [] };
  }

  /** A message of the server; false when it does not fit what is here, and all must be asked for again. */
  take(message) {
    if (message.t === "view") {
      this.views.set(message.name, message.picture);
      return true;
    }
    if (message.fresh) this.#begin(message.columns);
    else if (!this.fresh || (message.columns ?? this.columns.length) !== this.columns.length) {
      this.#reset();
      return false;
    }
    const { sample, step, epoch } = message.seen;
    this.seen = { sample, step, epoch };
    this.#takeLooks(message.arrays);
    this.#takeNorms(message);
    this.#takeEpochs(message.arrays);
    return true;
  }

  #begin(columns) {
    this.#reset();
    this.fresh = true;
    this.columns = columns;
    this.values = columns.map(() => []);
  }

  #takeLooks({ sample_steps: steps, samples }) {
    steps.forEach((step, row) => {
      this.steps.push(step);
      this.values.forEach((values, column) => values.push(samples[row * this.columns.length + column]));
    });
  }

  #takeNorms({ arrays, steps, clipped, clipping, non_finite }) {
    arrays.bins.forEach((bin, i) => this.bins.set(bin, (this.bins.get(bin) ?? 0) + arrays.counts[i]));
    this.total += steps;
    this.clipped += clipped;
    this.odd += non_finite;
    this.clips ||= clipping;
    arrays.scale_steps.forEach((step, i) => {
      if (arrays.scales[i] === this.scale.values.at(-1)) return;
      this.scale.steps.push(step);
      this.scale.values.push(arrays.scales[i]);
    });
    this.skipped.push(...arrays.skipped);
  }

  #takeEpochs({ epochs, val_loss: loss, patience }) {
    this.epochs.epoch.push(...epochs);
    this.epochs.loss.push(...loss);
    this.epochs.patience.push(...patience);
  }

  /** The layers of one kind of column, such as "grad_norm": [{ layer, values }], in the network's order. */
  layers(kind) {
    return this.columns.flatMap((column, i) =>
      column.startsWith(`${kind}/`) ? [{ layer: column.slice(kind.length + 1), values: this.values[i] }] : []);
  }

  /** The epoch of the lowest validation loss: { epoch, loss }, or null. */
  get best() {
    let best = null;
    this.epochs.loss.forEach((loss, i) => {
      if (loss < (best?.loss ?? Infinity)) best = { epoch: this.epochs.epoch[i], loss };
    });
    return best;
  }
}

/** A layer's name for an axis: without what all names share, and never two alike. */
export function shortNames(layers, most = 26) {
  const short = layers.map((layer) => {
    const plain = layer.replace(/\.(linear|conv|activation)$/, "").replace(/^encoder\./, "").replace(/\.body\./, ".")
      .replace(/^recurrent\.layers\.(\d+)$/, "recurrent $1").replace(/^blocks\.(\d+)$/, "block $1").replace(/^blocks\.(\d+)\./, "block $1 ");
    return plain.length > most ? `…${plain.slice(1 - most)}` : plain;
  });
  return short.map((name, i) => (short.indexOf(name) === i ? name : layers[i]));
}

/** 0.00123 → "0.00123", 12345 → "1.23e+4": three digits that mean something. */
export function digits(value) {
  if (value === undefined || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}
