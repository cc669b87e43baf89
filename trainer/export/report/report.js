/* Draws the charts of a report, in the colors of the reader's theme. */
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  /**
   * @param {HTMLElement} place
   * @param {"light" | "dark"} theme
   */
  const draw = (place, theme) => {
    const { data, layout, colors } = JSON.parse(
      document.getElementById(`${place.id}-data`)?.textContent ?? "",
    );
    const [text, line] = theme === "dark" ? ["#e8ebef", "#2c343f"] : ["#1d232b", "#dde2e8"];
    for (const [index, trace] of data.entries()) {
      const [stroke, fill] = colors[theme][index];
      trace.line.color = stroke;
      if (fill) trace.fillcolor = fill;
    }
    layout.font = { color: text };
    for (const [name, axis] of Object.entries(layout)) {
      if (/^[xy]axis/.test(name))
        Object.assign(axis, { gridcolor: line, linecolor: line, zerolinecolor: line });
    }
    window.Plotly.react(place, data, layout, { displaylogo: false, responsive: true });
  };

  /** @param {"light" | "dark"} theme */
  const drawAll = (theme) => {
    for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".chart")))
      draw(place, theme);
  };
  const followTheme = () => drawAll(dark.matches ? "dark" : "light");

  dark.addEventListener("change", followTheme);
  window.addEventListener("beforeprint", () => drawAll("light"));
  window.addEventListener("afterprint", followTheme);
  followTheme();
})();
