// Numbers and other people's names as charts write them.

/**
 * Returns three digits that mean something: 0.00123 → "0.00123", 12345 → "12300", 1234567 → "1.23e+6".
 * @param {number | undefined} value
 */
export function digits(value) {
  if (value === undefined || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const plainly = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5);
  return plainly ? String(Number(value.toPrecision(3))) : value.toExponential(2);
}

/**
 * Returns seconds as people say them: 75 → "1 min 15 s".
 * @param {number} seconds
 */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  if (seconds < 1) return "< 1 s";
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

/**
 * Returns other people's text for Plotly, which reads a subset of HTML: it comes out as it was written, but for its length.
 * @param {string} text
 * @param {number} [most]
 */
export function plain(text, most = 24) {
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return short
    .replace(/\p{Cc}/gu, " ")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;");
}

/**
 * Returns layers' names for an axis: without what all names share, and never two alike.
 * @param {string[]} layers
 * @param {number} [most]
 */
export function shortNames(layers, most = 26) {
  const short = layers.map((layer) => {
    const name = layer
      .replace(/\.(linear|conv|activation)$/, "")
      .replace(/^encoder\./, "")
      .replace(/\.body\./, ".")
      .replace(/^recurrent\.layers\.(\d+)$/, "recurrent $1")
      .replace(/^blocks\.(\d+)$/, "block $1")
      .replace(/^blocks\.(\d+)\./, "block $1 ");
    return name.length > most ? `…${name.slice(1 - most)}` : name;
  });
  return short.map((name, i) => (short.indexOf(name) === i ? name : layers[i]));
}

/**
 * Returns when a picture was taken, in words.
 * @param {Packed} picture
 */
export function momentOf({ final, epoch }) {
  return final ? `Final weights (epoch ${epoch})` : `After epoch ${epoch}`;
}
