// The colors of Streamlit's theme, and those of runs and classes that fit it.

/**
 * Returns the colors around an element.
 * @param {HTMLElement | ShadowRoot} parent
 * @param {{ light: string[], dark: string[] }} palette
 * @returns {Theme}
 */
export function themeOf(parent, palette) {
  const style = getComputedStyle(parent instanceof ShadowRoot ? parent.host : parent);
  /** @param {string} name @param {string} fallback */
  const read = (name, fallback) => style.getPropertyValue(`--st-${name}`).trim() || fallback;
  const background = read("background-color", "#ffffff");
  const paper = pixelOf(background);
  const dark = luminance(paper) < 0.4;
  return {
    dark,
    background,
    paper,
    text: read("text-color", dark ? "#fafafa" : "#1f2328"),
    font: read("font", "sans-serif"),
    surface: read("secondary-background-color", background),
    grid: dark ? "rgba(255,255,255,0.11)" : "rgba(0,0,0,0.09)",
    muted: dark ? "#a3a8b4" : "#5f6673",
    colors: palette[dark ? "dark" : "light"],
  };
}

/**
 * Returns red, green and blue (0…255) of any CSS color.
 * @param {string} color
 */
function pixelOf(color) {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return [255, 255, 255];
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/**
 * Returns the relative luminance of a pixel, 0 black to 1 white.
 * @param {number[]} pixel
 */
export function luminance([red, green, blue]) {
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}

/**
 * Returns red, green and blue of a color of the palette: "#0072B2" → [0, 114, 178].
 * @param {string} color
 */
export function rgbOf(color) {
  return [1, 3, 5].map((i) => Number.parseInt(color.slice(i, i + 2), 16));
}
