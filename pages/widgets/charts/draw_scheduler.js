// When to draw: soon, one figure after another, and never so often that the page has no time for anything else.

const REST = 1; // times as long as a drawing took

/** @type {DrawScheduler[]} */
const due = []; // of all panels, in the order of their requests
let awake = false;
let restUntil = 0;

export class DrawScheduler {
  /** @param {() => unknown} draw */
  constructor(draw) {
    this.draw = draw;
    this.atOnce = false;
  }

  /** Draw once the figures before this one are drawn; `atOnce` where a person waits for it: then there is no rest. */
  request(atOnce = false) {
    this.atOnce ||= atOnce;
    if (atOnce) restUntil = 0;
    if (!due.includes(this)) due.push(this);
    wake();
  }
}

function wake() {
  if (awake || !due.length) return;
  awake = true;
  setTimeout(() => requestAnimationFrame(drawNext), Math.max(0, restUntil - performance.now()));
}

function drawNext() {
  awake = false;
  const figure = due.shift();
  if (!figure) return;
  const start = performance.now();
  const rest = figure.atOnce ? 0 : REST;
  figure.atOnce = false;
  try {
    figure.draw();
  } finally {
    const end = performance.now();
    restUntil = end + rest * (end - start);
    wake();
  }
}
