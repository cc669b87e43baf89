// Series and segments as the server would send them, for the tests beside this file.

export function series(name, points, more = {}) {
  const steps = Int32Array.from(points, ([step]) => step);
  const values = Float32Array.from(points, ([, value]) => value);
  return { name, n: points.length, steps, values, ...more };
}

export function segment(kind, after, to, ...all) {
  return { run: 1, kind, after, to, rows: to - after, series: all };
}

export const part = (kind, name, more = {}) => ({
  kind,
  name,
  label: "",
  dashed: false,
  smoothed: false,
  every: 1,
  ...more,
});

export function spec(...parts) {
  return {
    name: "some",
    title: "Some",
    parts,
    log: false,
    unit: "",
    percent: false,
    planned: false,
    clip: false,
    hint: "What it shows",
  };
}
