// The shapes of what the server sends and of what Plotly offers, for the type checker; nothing here is served.

// --- JSON of pages/widgets: the data of a component ---

interface RunWords {
  states: Record<string, { label: string; over: boolean }>;
  requests: Record<string, string>;
}

interface PanelData extends RunWords {
  assets: string;
  plotly: string;
  palette: { light: string[]; dark: string[] };
  token: string;
}

interface ShownChange {
  step: number;
  label: string;
  clip: number | null;
}

interface ShownRun {
  id: number;
  label: string;
  color: number;
  visible: boolean;
  clip: number | null;
  /** Whether there is a picture of its decision boundary: of a person's own data that is seen only in training. */
  boundary: "sure" | "perhaps" | null;
  /** All that makes the run different, for which its label may have no room. */
  differs: string;
  /** Of its knobs, while it trained; the last of them. */
  changes: ShownChange[];
  /** Changes before those. */
  unshown: number;
}

interface ChartPart {
  kind: Kind;
  name: string;
  label: string;
  dashed: boolean;
  smoothed: boolean;
  /** Steps between two measured values. */
  every: number;
}

interface ChartSpec {
  name: string;
  title: string;
  parts: ChartPart[];
  log: boolean;
  unit: string;
  percent: boolean;
  ticks: string;
  planned: boolean;
  clip: boolean;
  hint: string;
}

interface PlannedCurve {
  steps: number[];
  lr: number[];
  steps_per_epoch: number;
}

interface ChartPanelData extends PanelData {
  runs: ShownRun[];
  charts: ChartSpec[];
  planned: PlannedCurve | null;
  follow: number | null;
  empty: string;
  clearable: boolean;
  options: import("./curves/line.js").ChartOptions;
}

interface HealthPanelData extends PanelData {
  scales: { sequential: string[]; diverging: string[]; counts: { light: string[]; dark: string[] } };
  run: number;
  label: string;
  pictures: string[];
  clips: number[];
  patience: number | null;
  scaled: boolean;
}

interface Component<Data> {
  data: Data;
  parentElement: HTMLElement | ShadowRoot;
  setTriggerValue(name: string, value: unknown): void;
}

// --- the live protocol: see pages/live/routes.py ---

type Kind = "step" | "epoch";
type Cursors = Record<Kind, number>;
type Mark = [first: number, last: number, count: number, what: string];
type ConnectionState = "open" | "closed" | "refused";

/** Points of a curve without the extremes of noise; a value stands for the `spans` steps up to its step. */
interface Level<Numbers = ArrayLike<number>> {
  steps: Numbers;
  values: Numbers;
  spans: Numbers;
}

interface Series {
  name: string;
  n: number;
  steps: Int32Array;
  values: Float32Array;
  marks?: Mark[];
  means?: [number: number, first: number, last: number, width: number];
  level?: Level<number[]>;
}

interface Segment {
  run: number;
  kind: Kind;
  after: number;
  to: number;
  rows: number;
  series: Series[];
}

interface Progress {
  step?: number;
  total_steps?: number;
  epoch?: number;
  epochs?: number;
  steps_per_s?: number;
  steps_per_epoch?: number;
  seconds?: number;
  preparing?: [done: number, all: number];
  device?: string;
  precision?: string;
}

interface Status {
  t: "status";
  run: number;
  status: string;
  request?: string | null;
  progress?: Progress;
  error?: string | null;
}

type PackedArray = (Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>) & {
  shape: number[];
};

interface Packed {
  t: string;
  arrays: Record<string, PackedArray>;
  [name: string]: any;
}

interface CurvesMessage extends Packed {
  t: "snapshot" | "delta" | "range";
  id?: number;
  segments: Segment[];
}

interface Seen {
  sample: number;
  step: number;
  epoch: number;
}

interface HealthMessage extends Packed {
  t: "health";
  run: number;
  fresh: boolean;
  seen: Seen;
  columns?: string[] | number;
  steps: number;
  clipped: number;
  clipping: boolean;
  non_finite: number;
}

interface ViewMessage extends Packed {
  t: "view";
  run: number;
  name: string;
  picture: Packed;
}

type LiveMessage = Status | CurvesMessage | HealthMessage | ViewMessage;

/** A run whose health is asked for: only some views of it, or (null) all. */
interface HealthWish {
  run: number;
  views: string[] | null;
}

/** What a panel is notified of, with the number of the run. */
interface FeedListener {
  onSnapshot(run: number): void;
  onDelta(run: number): void;
  onStatus(run: number): void;
  onHealth(message: HealthMessage | ViewMessage): void;
  onConnection(state: ConnectionState): void;
}

// --- drawing ---

interface Theme {
  dark: boolean;
  background: string;
  paper: number[];
  text: string;
  font: string;
  surface: string;
  grid: string;
  muted: string;
  colors: string[];
}

interface PlotNode extends HTMLDivElement {
  data: Record<string, any>[];
  _fullLayout?: {
    xaxis: import("./curves/zoom/geometry.js").Axis;
    yaxis: import("./curves/zoom/geometry.js").Axis;
  };
}

interface PlotlyLibrary {
  react(node: Element, traces: object[], layout: object, config: object): Promise<unknown>;
  extendTraces(
    node: Element,
    points: { x: ArrayLike<number>[]; y: ArrayLike<number>[] },
    traces: number[],
  ): Promise<unknown>;
  purge(node: Element): void;
  downloadImage(figure: { data: object[]; layout: object }, options: object): Promise<unknown>;
  Plots: { resize(node: Element): void };
}

interface Window {
  Plotly: PlotlyLibrary;
  __trainscopeFeed: import("./live/feed.js").Feed;
}
