// Small pieces of the panel: making elements, the status line, the options bar. All text goes in as text, never as HTML.

import { MODES } from "./axes.js";

const STORED = "trainscope.charts";
const STATES = { queued: "Queued", running: "Training", paused: "Paused", finished: "Finished", stopped: "Stopped",
  failed: "Failed", interrupted: "Interrupted", gone: "Deleted" };
const ASKED = { stop: "Stopping…", pause: "Pausing…", resume: "Resuming…" };

/** Make an element; with `loaded`, a promise for the moment it has loaded. */
export function element(tag, attributes = {}, parent = null, loaded = false) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  const promise = loaded && new Promise((resolve, reject) => {
    node.addEventListener("load", () => resolve(node));
    node.addEventListener("error", () => {
      node.remove();
      reject(new Error(`could not load ${attributes.src ?? attributes.href}`));
    });
  });
  parent?.append(node);
  return promise || node;
}

/** 75 → "1 min 15 s". */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  if (seconds < 1) return "< 1 s";
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

export class StatusLine {
  constructor(parent) {
    this.root = element("div", { class: "ts-status", "data-testid": "live-status" }, parent);
    const top = element("div", { class: "ts-status-top" }, this.root);
    this.badge = element("span", { class: "ts-badge" }, top);
    this.name = element("span", { class: "ts-name" }, top);
    this.facts = element("dl", { class: "ts-facts" }, top);
    this.message = element("span", { class: "ts-note", role: "status" }, top);
    this.bar = element("div", { class: "ts-bar", role: "progressbar", "aria-label": "Training progress", "aria-valuemin": "0", "aria-valuemax": "100" }, this.root);
    this.fill = element("div", { class: "ts-fill" }, this.bar);
    this.error = element("p", { class: "ts-error", role: "alert", hidden: "" }, this.root);
    // Read out only when something is decided, or a quarter of the way is done: a live region must not chatter.
    this.spoken = element("span", { class: "ts-spoken", "aria-live": "polite" }, this.root);
    this.show(null);
  }

  note(text) {
    if (this.message.textContent !== text) this.message.textContent = text;
  }

  show(status, label = "", data = {}) {
    this.root.hidden = !status;
    if (!status) return;
    const progress = status.progress ?? {};
    const state = ASKED[status.request] && status.status === "running" ? ASKED[status.request] : (STATES[status.status] ?? status.status);
    this.root.dataset.state = status.status;
    this.badge.textContent = state;
    this.name.textContent = label ?? "";
    this.#showFacts(facts(status, progress));
    const share = progress.total_steps > 0 ? Math.min(1, progress.step / progress.total_steps) : 0;
    const percent = status.status === "finished" ? 100 : Math.floor(100 * share);
    this.bar.setAttribute("aria-valuenow", String(percent));
    this.fill.style.transform = `scaleX(${status.status === "finished" ? 1 : share})`;
    this.error.hidden = !status.error;
    this.error.textContent = status.error ?? "";
    const spoken = `${label ?? ""}: ${state}${status.status === "running" && percent >= 25 ? `, ${Math.floor(percent / 25) * 25} %` : ""}`;
    if (this.spoken.textContent !== spoken) this.spoken.textContent = spoken;
  }

  #showFacts(wanted) {
    // Nodes are kept, so that a selection or a magnifier on them survives the next number.
    while (this.facts.children.length > wanted.length) this.facts.lastChild.remove();
    wanted.forEach(([name, value], i) => {
      const pair = this.facts.children[i] ?? pairIn(this.facts);
      if (pair.firstChild.textContent !== name) pair.firstChild.textContent = name;
      if (pair.lastChild.textContent !== value) pair.lastChild.textContent = value;
    });
  }
}

function pairIn(list) {
  const pair = element("div", {}, list);
  element("dt", {}, pair);
  element("dd", {}, pair);
  return pair;
}

function facts(status, progress) {
  const number = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const found = [];
  const of = (now, all) => (all ? `${number.format(now)} / ${number.format(all)}` : number.format(now));
  if (progress.preparing && progress.epoch === undefined) found.push(["texts prepared", of(...progress.preparing)]);
  if (progress.epoch !== undefined) found.push(["epoch", of(progress.epoch, progress.epochs)]);
  if (progress.step !== undefined) found.push(["step", of(progress.step, progress.total_steps)]);
  if (progress.steps_per_s > 0) found.push(["steps/s", number.format(progress.steps_per_s)]);
  const left = (progress.total_steps - progress.step) / progress.steps_per_s;
  if (status.status === "running" && Number.isFinite(left)) found.push(["left", duration(left)]);
  else if (progress.seconds > 0) found.push(["took", duration(progress.seconds)]);
  for (const name of ["device", "precision"]) if (progress[name]) found.push([name, String(progress[name])]);
  return found;
}

/** X axis, logarithmic y, smoothing. Kept for the next visit. */
export class Options {
  constructor(parent, changed) {
    Object.assign(this, { x: "step", log: false, smooth: 0.6 }, stored());
    this.changed = changed;
    this.root = element("div", { class: "ts-options", role: "group", "aria-label": "Chart options" }, parent);
    this.#axisChoice();
    this.#logChoice();
    this.#smoothChoice();
  }

  #set(values) {
    Object.assign(this, values);
    try {
      localStorage.setItem(STORED, JSON.stringify({ x: this.x, log: this.log, smooth: this.smooth }));
    } catch {
      // Private windows refuse to store; the choice then lasts as long as the page.
    }
    this.changed();
  }

  #axisChoice() {
    const set = element("fieldset", { class: "ts-segments" }, this.root);
    element("legend", {}, set).textContent = "X axis";
    const group = `ts-x-${Math.random().toString(36).slice(2)}`;
    for (const [mode, title] of Object.entries(MODES)) {
      const label = element("label", {}, set);
      const input = element("input", { type: "radio", name: group, value: mode }, label);
      input.checked = mode === this.x;
      input.addEventListener("change", () => this.#set({ x: mode }));
      element("span", {}, label).textContent = title;
    }
  }

  #logChoice() {
    const label = element("label", { class: "ts-check" }, this.root);
    const input = element("input", { type: "checkbox" }, label);
    input.checked = this.log;
    input.addEventListener("change", () => this.#set({ log: input.checked }));
    element("span", {}, label).textContent = "Log y";
  }

  #smoothChoice() {
    const label = element("label", { class: "ts-slider" }, this.root);
    element("span", {}, label).textContent = "Smoothing";
    const input = element("input", { type: "range", min: "0", max: "0.99", step: "0.01" }, label);
    const shown = element("output", {}, label);
    input.value = String(this.smooth);
    shown.textContent = this.smooth.toFixed(2);
    input.addEventListener("input", () => {
      shown.textContent = Number(input.value).toFixed(2);
      this.#set({ smooth: Number(input.value) });
    });
  }
}

function stored() {
  try {
    const { x, log, smooth } = JSON.parse(localStorage.getItem(STORED)) ?? {};
    const good = Object.hasOwn(MODES, x) && typeof log === "boolean" && smooth >= 0 && smooth <= 0.99;
    return good ? { x, log, smooth } : {};
  } catch {
    return {};
  }
}
