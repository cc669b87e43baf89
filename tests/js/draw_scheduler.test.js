// Figures are drawn one after another, each once however often it was asked for, and an error in one stops no other.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { DrawScheduler } from "../../pages/widgets/charts/draw_scheduler.js";

/** @type {(() => void)[]} */
let frames = [];
let now = 0;
mock.timers.enable({ apis: ["setTimeout"] });
mock.method(performance, "now", () => now);
Object.assign(globalThis, { requestAnimationFrame: (/** @type {() => void} */ draw) => frames.push(draw) });

/** Let time pass, a frame each millisecond. @param {number} ms */
function pass(ms) {
  for (let i = 0; i < ms; i++) {
    now += 1;
    mock.timers.tick(1);
    const due = frames;
    frames = [];
    for (const draw of due) draw();
  }
}

/** Figures that take 10 ms each to draw, and what was drawn. @param {string} names */
function figures(names) {
  /** @type {string[]} */
  const drawn = [];
  const schedulers = [...names].map(
    (name) =>
      new DrawScheduler(() => {
        drawn.push(name);
        now += 10;
      }),
  );
  return { drawn, schedulers };
}

test("in turn, each once, with a rest between", () => {
  const { drawn, schedulers } = figures("ab");
  for (const one of [...schedulers, ...schedulers]) one.request();
  pass(2);
  assert.deepEqual(drawn, ["a"]);
  pass(8);
  assert.deepEqual(drawn, ["a"]);
  pass(100);
  assert.deepEqual(drawn, ["a", "b"]);
});

test("at once where a person waits", () => {
  const { drawn, schedulers } = figures("ab");
  schedulers[0].request();
  pass(2);
  schedulers[1].request(true);
  pass(2);
  assert.deepEqual(drawn, ["a", "b"]);
  pass(100);
});

test("an error stops no other figure", () => {
  const { drawn, schedulers } = figures("a");
  const broken = new DrawScheduler(() => {
    throw new Error("no axes");
  });
  broken.request();
  schedulers[0].request();
  assert.throws(() => pass(2), /no axes/);
  pass(100);
  assert.deepEqual(drawn, ["a"]);
});
