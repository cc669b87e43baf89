// Plotly's script and the panels' style sheet, fetched once per tab.

import { element } from "./dom.js";

/** @type {Map<string, Promise<unknown>>} */
const requested = new Map();

/**
 * Resolves with Plotly once it and the style sheet are there: without that a panel would flash unstyled.
 * @param {string} base
 * @param {PanelData} data
 */
export async function loadAssets(base, data) {
  const sheet = once(`${base}/api/assets/${data.assets}/panels.css`, (href) =>
    element("link", { rel: "stylesheet", href }),
  );
  const script = `${base}/api/plotly.js?v=${encodeURIComponent(data.plotly)}`;
  await Promise.all([sheet, window.Plotly ?? once(script, (src) => element("script", { src }))]);
  return window.Plotly;
}

/**
 * Resolves when the address has loaded. One that has failed is requested again by the next call.
 * @param {string} url
 * @param {(url: string) => HTMLElement} make
 */
function once(url, make) {
  let request = requested.get(url);
  if (!request) {
    request = loaded(make(url));
    request.catch(() => requested.delete(url));
    requested.set(url, request);
  }
  return request;
}

/** @param {HTMLElement} node */
function loaded(node) {
  return new Promise((resolve, reject) => {
    node.addEventListener("load", resolve);
    node.addEventListener("error", () => {
      node.remove();
      reject(new Error(`could not load ${node.outerHTML}`));
    });
    document.head.append(node);
  });
}
