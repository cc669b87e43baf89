// The Health page's pictures of what was learned: what each shows, how it is read, and what draws it.

import { decisionBoundary, worstMistakes } from "./canvas_pictures.js";
import { confusionMatrix, predictedAgainstTrue } from "./plot_pictures.js";

/**
 * @typedef {object} PictureSpec
 * @property {string} title
 * @property {string} help How it is read.
 * @property {(card: import("./card.js").Card, picture: Packed, scene: Scene) => Figure} draw
 * @property {string} [role]
 */
/** @typedef {import("./figures.js").Scene} Scene */
/** @typedef {import("./figures.js").Figure} Figure */

/** @type {Record<string, PictureSpec>} */
export const PICTURES = {
  decision: {
    title: "Decision boundary",
    draw: decisionBoundary,
    help: "Color is the class that the network would predict there, paler where it is less sure. Dots are samples: filled for training, ringed for validation. A boundary that bends around single dots is overfitting.",
  },
  confusion: {
    title: "Confusion matrix",
    draw: confusionMatrix,
    help: "Rows are true classes, columns what the network predicted, on the validation part. The diagonal is right; a bright field beside it is a pair that it mixes up.",
  },
  mistakes: {
    title: "Worst mistakes",
    role: "group",
    draw: worstMistakes,
    help: "Validation images with the largest loss of those that it got wrong. Some are odd or mislabeled; if they all look easy, the network has not learned enough.",
  },
  regression: {
    title: "Predicted against true",
    draw: predictedAgainstTrue,
    help: "Each dot is a validation sample; on the line the prediction is right. A flat cloud: it predicts the mean. A bend at the ends: extremes are pulled to the middle.",
  },
};
