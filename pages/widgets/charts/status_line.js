// The status line: a run's state, its facts in numbers and a progress bar.

import { element, setText } from "./dom.js";
import { duration } from "./format.js";

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/**
 * Whether nothing will happen to a run any more by itself.
 * @param {Status | null} status
 * @param {RunWords} words
 */
export function isOver(status, words) {
  return Boolean(status && words.states[status.status]?.over);
}

/**
 * Returns a run's state in words, or what it has just been asked to do.
 * @param {Status} status
 * @param {RunWords} words
 */
export function stateLabel({ status, request }, { states, requests }) {
  const asked = status === "running" && request ? requests[request] : undefined;
  return asked ?? states[status]?.label ?? status;
}

/**
 * Returns the share of a run that is done, 0…1.
 * @param {Status} status
 */
export function shareDone({ status, progress = {} }) {
  if (status === "finished") return 1;
  const { step = 0, total_steps: total = 0 } = progress;
  return total > 0 ? Math.min(1, step / total) : 0;
}

/**
 * Returns what a screen reader reads out: only when something is decided or a quarter is done, as it must not chatter.
 * @param {Status} status
 * @param {string} label
 * @param {RunWords} words
 */
export function announcement(status, label, words) {
  const quarters = Math.floor(4 * shareDone(status));
  const share = status.status === "running" && quarters > 0 ? `, ${25 * quarters}%` : "";
  return `${label}: ${stateLabel(status, words)}${share}`;
}

/**
 * Returns names and values of the facts about a run.
 * @param {Status} status
 * @returns {[name: string, value: string][]}
 */
export function factsOf({ status, progress = {} }) {
  const { step, total_steps: total, epoch, epochs, steps_per_s: rate = 0, seconds = 0, preparing } = progress;
  /** @type {[string, string][]} */
  const facts = [];
  if (preparing && epoch === undefined) facts.push(["texts prepared", outOf(...preparing)]);
  if (epoch !== undefined) facts.push(["epoch", outOf(epoch, epochs)]);
  if (step !== undefined) facts.push(["step", outOf(step, total)]);
  if (rate > 0) facts.push(["steps/s", WHOLE.format(rate)]);
  const left = ((total ?? Number.NaN) - (step ?? Number.NaN)) / rate;
  if (status === "running" && Number.isFinite(left)) facts.push(["left", duration(left)]);
  else if (seconds > 0) facts.push(["took", duration(seconds)]);
  if (progress.device) facts.push(["device", progress.device]);
  if (progress.precision) facts.push(["precision", progress.precision]);
  return facts;
}

/** @param {number} done @param {number} [all] */
function outOf(done, all) {
  return all ? `${WHOLE.format(done)} / ${WHOLE.format(all)}` : WHOLE.format(done);
}

export class StatusLine {
  /** @param {Element} parent */
  constructor(parent) {
    this.root = element("div", { class: "ts-status", "data-testid": "live-status", hidden: "" }, parent);
    const top = element("div", { class: "ts-status-top" }, this.root);
    this.badge = element("span", { class: "ts-badge" }, top);
    this.name = element("span", { class: "ts-name" }, top);
    this.facts = element("dl", { class: "ts-facts" }, top);
    this.message = element("span", { class: "ts-note", role: "status" }, top);
    const progress = {
      role: "progressbar",
      "aria-label": "Training progress",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    };
    this.bar = element("div", { class: "ts-bar", ...progress }, this.root);
    this.fill = element("div", { class: "ts-fill" }, this.bar);
    this.error = element("p", { class: "ts-error", role: "alert", hidden: "" }, this.root);
    this.announced = element("span", { class: "ts-announced", "aria-live": "polite" }, this.root);
  }

  /** @param {string} text */
  note(text) {
    setText(this.message, text);
  }

  /**
   * @param {Status | null} status
   * @param {string} label
   * @param {RunWords} words
   */
  show(status, label, words) {
    this.root.hidden = !status;
    if (!status) return;
    this.root.dataset.state = status.status;
    this.badge.textContent = stateLabel(status, words);
    this.name.textContent = label;
    this.#showFacts(factsOf(status));
    const share = shareDone(status);
    this.bar.setAttribute("aria-valuenow", String(Math.floor(100 * share)));
    this.fill.style.transform = `scaleX(${share})`;
    this.error.hidden = !status.error;
    this.error.textContent = status.error ?? "";
    setText(this.announced, announcement(status, label, words));
  }

  /**
   * Nodes are kept, so that a selection or a magnifier on them survives the next number.
   * @param {[string, string][]} facts
   */
  #showFacts(facts) {
    while (this.facts.children.length > facts.length) this.facts.lastChild?.remove();
    facts.forEach(([name, value], i) => {
      const [term, description] = (this.facts.children[i] ?? pairIn(this.facts)).children;
      setText(term, name);
      setText(description, value);
    });
  }
}

/** @param {Element} list */
function pairIn(list) {
  const pair = element("div", {}, list);
  element("dt", {}, pair);
  element("dd", {}, pair);
  return pair;
}
