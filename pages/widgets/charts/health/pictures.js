// The Health page's pictures of what was learned: what each shows, how it is read, and what draws it.

import { decisionBoundary, worstMistakes } from "./canvas_pictures.js";
import { confusionMatrix, predictedAgainstTrue } from "./plot_pictures.js";

/** @typedef {import("./figures.js").Scene} Scene */
/** @typedef {import("./figures.js").Figure} Figure */

/**
 * Returns a card's `draw` for the run's newest picture of a name.
 * @param {string} name
 * @param {(picture: Packed, scene: Scene, body: HTMLElement) => Figure} draw
 * @returns {import("./figures.js").CardSpec["draw"]}
 */
function newest(name, draw) {
  return (scene, body) => {
    const picture = scene.health.views.get(name);
    return picture ? draw(picture, scene, body) : null;
  };
}

/** @type {Record<string, import("./figures.js").CardSpec>} */
export const PICTURES = {
  decision: {
    title: "Decision boundary",
    byEpoch: true,
    draw: newest("decision", decisionBoundary),
    help: "Color is the class that the network would predict there, paler where it is less sure. Dots are samples: filled for training, ringed for validation. A boundary that bends around single dots is overfitting.",
  },
  confusion: {
    title: "Confusion matrix",
    byEpoch: true,
    draw: newest("confusion", confusionMatrix),
    help: "Rows are true classes, columns what the network predicted, on the validation part. The diagonal is correct; a bright cell off the diagonal is a pair of classes that the network mixes up.",
  },
  mistakes: {
    title: "Worst mistakes",
    role: "group",
    byEpoch: true,
    draw: newest("mistakes", worstMistakes),
    help: "The misclassified validation images with the largest loss. Some are odd or mislabeled; if they all look easy, the network has not learned enough.",
  },
  regression: {
    title: "Predicted against true",
    byEpoch: true,
    draw: newest("regression", predictedAgainstTrue),
    help: "Each dot is a validation sample; on the line the prediction is right. A flat cloud: it predicts the mean. A bend at the ends: extremes are pulled to the middle.",
  },
};
