// The Health page's figures of numbers: what each shows, how it is read, and what draws it.

import { heatMap, updateRatios } from "./layer_figures.js";
import { bestEpoch, gradientHistogram, lossScale } from "./run_figures.js";

/** @typedef {keyof typeof ACTIVATIONS} Activation */

/**
 * What a card is drawn from: the run's health, the page's data, the theme, and the reader's choices.
 * @typedef {object} Scene
 * @property {import("../live/health_data.js").HealthData} health
 * @property {HealthPanelData} data
 * @property {Theme} theme
 * @property {Activation} activation
 * @property {boolean} log
 * @property {boolean} narrow
 */

/**
 * A drawing in Plotly's terms and in words: `description` for those who cannot see it, `summary` for all.
 * @typedef {object} Figure
 * @property {object[]} [traces] None where the card's body was painted.
 * @property {object} [layout]
 * @property {string} description
 * @property {string} [summary]
 * @property {number | null} [meter]
 * @property {string[]} [notes]
 */

/**
 * @typedef {object} CardSpec
 * @property {string} title
 * @property {string | ((activation: Activation) => string)} help How it is read.
 * @property {(scene: Scene, body: HTMLElement) => Figure | null} draw Null while there is nothing.
 * @property {boolean} [byEpoch]
 * @property {boolean} [wide]
 * @property {string} [role]
 * @property {Record<string, { label: string }>} [choices]
 * @property {(data: HealthPanelData) => boolean} [applies] Whether a run has this card at all.
 */

export const ACTIVATIONS = {
  act_std: {
    label: "Spread",
    help: "Standard deviation of what each layer passes on. Fading or swelling from row to row: the signal dies out or blows up with depth.",
    log: true,
  },
  act_mean: {
    label: "Mean",
    help: "White is zero. A layer far from it passes on mostly an offset.",
    diverging: true,
  },
  act_zero: {
    label: "Near zero",
    help: "Share of activations below one millionth. Half is usual for ReLU; nearly all means that the layer passes on almost nothing.",
    share: true,
  },
  act_dead: {
    label: "Dead units",
    help: "Share of units that were zero for the whole batch. A unit that stays at zero no longer learns.",
    share: true,
  },
};

/** @type {Record<string, CardSpec>} */
export const FIGURES = {
  gradients: {
    title: "Gradient norm by layer",
    wide: true,
    help: "Each column is one sampled step, the first layer at the bottom; bright is large. A column that darkens towards the bottom: the gradient vanishes on its way back. One that brightens: it explodes.",
    draw: (scene) => heatMap(scene, { kind: "grad_norm", log: true }),
  },
  ratios: {
    title: "Update-to-weight ratio",
    help: "How much a step changes each layer, relative to its weights. Healthy is about 0.001 (the band is a decade either way): far above it training is wild, far below it barely moves. Dark lines are the first layers.",
    draw: updateRatios,
  },
  activations: {
    title: "Activations by layer",
    choices: ACTIVATIONS,
    help: (activation) => ACTIVATIONS[activation].help,
    draw: (scene) => heatMap(scene, { kind: scene.activation, ...ACTIVATIONS[scene.activation] }),
  },
  histogram: {
    title: "Gradient norms of all steps",
    help: "Distribution of the norm of the whole gradient, before clipping. What lies to the right of the line is clipped: a few percent tame outliers, nearly all means that the limit sets the step.",
    draw: gradientHistogram,
  },
  stopping: {
    title: "Validation loss and its best epoch",
    byEpoch: true,
    help: "The star marks the best epoch so far. Early stopping ends the run when its patience is used up, and goes back to the star.",
    draw: bestEpoch,
  },
  scale: {
    title: "Loss scale",
    applies: (data) => data.scaled,
    help: "float16 gradients are scaled up so that small ones do not vanish. Each cross is a step that overflowed and was skipped; the scale is then halved. A few at the start are usual.",
    draw: lossScale,
  },
};
