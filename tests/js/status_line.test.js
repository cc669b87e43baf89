import assert from "node:assert/strict";
import { test } from "node:test";
import {
  announcement,
  factsOf,
  isOver,
  shareDone,
  stateLabel,
} from "../../pages/widgets/charts/status_line.js";

const WORDS = {
  states: { running: { label: "Training", over: false }, finished: { label: "Finished", over: true } },
  requests: { stop: "Stopping…" },
};
const status = (name, progress = {}, more = {}) => ({ t: "status", run: 1, status: name, progress, ...more });

test("a state is called what the page calls it, an unknown one by its own name", () => {
  assert.equal(stateLabel(status("finished"), WORDS), "Finished");
  assert.equal(stateLabel(status("hibernating"), WORDS), "hibernating");
});

test("a request shows until a running run has answered it", () => {
  assert.equal(stateLabel(status("running", {}, { request: "stop" }), WORDS), "Stopping…");
  assert.equal(stateLabel(status("running", {}, { request: "dance" }), WORDS), "Training");
  assert.equal(stateLabel(status("finished", {}, { request: "stop" }), WORDS), "Finished");
});

test("only a known state that is over is over", () => {
  assert.deepEqual(
    ["running", "finished", "hibernating"].map((name) => isOver(status(name), WORDS)),
    [false, true, false],
  );
  assert.equal(isOver(null, WORDS), false);
});

test("the share that is done stays between nothing and all", () => {
  assert.equal(shareDone(status("running")), 0);
  assert.equal(shareDone(status("running", { step: 30, total_steps: 120 })), 0.25);
  assert.equal(shareDone(status("running", { step: 130, total_steps: 120 })), 1);
  assert.equal(
    shareDone(status("finished", { step: 30, total_steps: 120 })),
    1,
    "early stopping ends a run before",
  );
});

test("the facts of a running run say how long is left", () => {
  const progress = {
    epoch: 2,
    epochs: 10,
    step: 1500,
    total_steps: 10_000,
    steps_per_s: 100,
    seconds: 15,
    device: "cpu",
  };
  assert.deepEqual(factsOf(status("running", progress)), [
    ["epoch", "2 / 10"],
    ["step", "1,500 / 10,000"],
    ["steps/s", "100"],
    ["left", "1 min 25 s"],
    ["device", "cpu"],
  ]);
});

test("the facts of an ended run say how long it took", () => {
  assert.deepEqual(
    factsOf(status("finished", { step: 10, total_steps: 10, steps_per_s: 5, seconds: 2 })).at(-1),
    ["took", "2 s"],
  );
});

test("before the first step there may be texts to prepare, or nothing to tell", () => {
  assert.deepEqual(factsOf(status("running", { preparing: [5, 20] })), [["texts prepared", "5 / 20"]]);
  assert.deepEqual(factsOf({ t: "status", run: 1, status: "gone" }), []);
});

test("what is read out changes with the state and each quarter, not with each step", () => {
  const said = (step) => announcement(status("running", { step, total_steps: 100 }), "Run 1", WORDS);
  assert.deepEqual(
    [said(1), said(24), said(25), said(49), said(99)],
    [
      "Run 1: Training",
      "Run 1: Training",
      "Run 1: Training, 25%",
      "Run 1: Training, 25%",
      "Run 1: Training, 75%",
    ],
  );
  assert.equal(announcement(status("finished"), "Run 1", WORDS), "Run 1: Finished");
});
