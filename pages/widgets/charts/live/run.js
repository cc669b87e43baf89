// What this tab knows of one run: its state, and its curves by cursor.

/**
 * Returns points as a level: each stands for its own step.
 * @param {ArrayLike<number>} steps
 * @param {ArrayLike<number>} values
 * @returns {Level<number[]>}
 */
export function levelOfPoints(steps, values) {
  return { steps: Array.from(steps), values: Array.from(values), spans: Array.from(steps, () => 1) };
}

/**
 * Returns what smoothing starts from: the means that came with a series, or its points where none were left out.
 * @param {Series} series
 */
export function levelOf(series) {
  return series.level ?? levelOfPoints(series.steps, series.values);
}

/** One series: growing arrays, what smoothing starts from, and marks where it had no finite number. */
export class Curve {
  /** @param {Series} [series] */
  constructor(series) {
    /** @type {number[]} */
    this.steps = series ? Array.from(series.steps) : [];
    /** @type {number[]} */
    this.values = series ? Array.from(series.values) : [];
    /** @type {Level<number[]>} */
    this.level = series ? levelOf(series) : { steps: [], values: [], spans: [] };
    /** @type {Mark[]} */
    this.marks = series?.marks ?? [];
  }

  /**
   * Append what a series holds of the steps after `after`.
   * @param {Series} series
   * @param {number} after
   */
  append(series, after) {
    for (let i = 0; i < series.n; i++) {
      if (series.steps[i] > after) {
        this.steps.push(series.steps[i]);
        this.values.push(series.values[i]);
      }
    }
    const { steps, values, spans } = levelOf(series);
    for (let i = 0; i < steps.length; i++) {
      if (steps[i] > after) {
        this.level.steps.push(steps[i]);
        this.level.values.push(values[i]);
        this.level.spans.push(Math.min(spans[i], steps[i] - after)); // a bucket may begin before what is new
      }
    }
    for (const mark of series.marks ?? []) if (mark[1] > after) this.marks = this.marks.concat([mark]);
  }
}

export class Run {
  /** @param {number} id */
  constructor(id) {
    this.id = id;
    /** @type {Cursors | null} */
    this.cursors = null;
    /** @type {Status | null} */
    this.status = null;
    /** @type {Record<Kind, Record<string, Curve>>} */
    this.curves = { step: {}, epoch: {} };
    this.snapshotPoints = 0; // of the longest series in the last snapshot
    this.deltaPoints = 0; // that deltas have added to one series since
    this.thinnedAt = 0; // when a freshly thinned snapshot was last requested
  }

  /**
   * @param {Kind} kind
   * @param {string} name
   * @returns {Curve | undefined}
   */
  curve(kind, name) {
    return this.curves[kind][name];
  }

  /**
   * Put a snapshot in the place of everything.
   * @param {Segment[]} segments
   */
  replace(segments) {
    this.cursors = { step: -1, epoch: -1 };
    this.snapshotPoints = this.deltaPoints = 0;
    for (const { kind, to, series } of segments) {
      this.curves[kind] = Object.fromEntries(series.map((one) => [one.name, new Curve(one)]));
      this.cursors[kind] = to;
      for (const { n } of series) this.snapshotPoints = Math.max(this.snapshotPoints, n);
    }
  }

  /**
   * Append a segment of a delta; false when something before it is missing.
   * @param {Segment} segment
   */
  append({ kind, after, to, series }) {
    if (!this.cursors || after > this.cursors[kind]) return false;
    const cursor = this.cursors[kind];
    if (to <= cursor) return true;
    for (const one of series) {
      this.curves[kind][one.name] ??= new Curve();
      const curve = this.curves[kind][one.name];
      curve.append(one, cursor);
      this.deltaPoints = Math.max(this.deltaPoints, curve.steps.length - this.snapshotPoints);
    }
    this.cursors[kind] = to;
    return true;
  }
}
