// Notes moments in the page, in milliseconds of the time of day; `ready` is taken after the frame that shows it.

(() => {
  const now = () => performance.timeOrigin + performance.now();
  const watch = { clicks: [], drawn: [], received: [], ready: null };
  window.__watch = watch;
  addEventListener("click", (event) => watch.clicks.push(performance.timeOrigin + event.timeStamp), true);
  new PerformanceObserver((list) => {
    for (const { name, startTime, detail } of list.getEntries()) {
      const at = performance.timeOrigin + startTime;
      if (name === "trainscope-received") watch.received.push([at, detail]);
      if (name !== "trainscope-drawn" || detail.chart !== "loss") continue;
      watch.drawn.push([at, detail.reached]);
    }
  }).observe({ type: "mark", buffered: true });
  const shown = (node) => node && !node.disabled && node.getBoundingClientRect().height > 0;
  const look = () => {
    const charts = document.querySelectorAll("[data-testid^=live-chart-]:has(.main-svg)");
    if (charts.length < 4 || !shown(document.querySelector(".st-key-start button"))) return;
    looking.disconnect();
    requestAnimationFrame(() =>
      setTimeout(() => {
        watch.ready = now();
      }),
    );
  };
  const looking = new MutationObserver(look);
  looking.observe(document, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["disabled"],
  });
})();
