"""What is written can be read: the contrast of every visible word, as the browser computes it, in both themes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from test_journeys import button, start
from waiting import until

FAINT = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
  const luminance = (color) => {
    const [r, g, b] = color.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const line = (element) => (element ? [element, ...line(element.parentElement)] : []);
  const found = [];
  const texts = document.createTreeWalker(document.querySelector(".stApp"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    // A slider's values stand above the thumb that they are part of.
    const skipped = "style, script, svg, .js-plotly-plot, [aria-hidden=true], :disabled, :disabled *, [aria-disabled=true]"
      + ", [data-testid=stSliderThumbValue], [data-testid=stSliderTickBar]";
    if (!text || element.closest(skipped) || !element.checkVisibility({ opacityProperty: true })) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2 || box.right <= 0) continue;
    const above = line(element);
    const behind = above.map((one) => rgba(getComputedStyle(one).backgroundColor)).reverse();
    const base = matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
    const background = behind.reduce((below, color) => over(color, below), base);
    const style = getComputedStyle(element);
    const [r, g, b, a] = rgba(style.color);
    const opacity = above.reduce((product, one) => product * Number(getComputedStyle(one).opacity), a);
    if (opacity < 0.02) continue; // faded out until touched
    const levels = [luminance(over([r, g, b, opacity], background)), luminance(background)].sort((x, y) => y - x);
    const contrast = (levels[0] + 0.05) / (levels[1] + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (large ? 3 : 4.5)) {
      found.push(`${contrast.toFixed(2)}: ${text.slice(0, 40)}, ${style.color} in ${element.outerHTML.slice(0, 160)}`);
    }
  }
  return found;
}"""
"""Returns each text whose contrast with what is behind it is below 4.5, or below 3 where it is large (WCAG 1.4.3)."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out(shared_site, visitor, scheme):
    page = visitor(color_scheme=scheme).new_page()
    page.goto(shared_site.url + "?epochs=2&schedule=cosine&initialization=orthogonal")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    expect(button(page, "Start")).to_be_enabled()
    stands_out(page)
    for name in ("Comparisons", "Runs", "Your data", "Reference"):
        page.get_by_test_id("stSidebarNavItems").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        stands_out(page)


def stands_out(page):
    """Waits until what Streamlit draws again has its full opacity back."""
    until(lambda: page.evaluate(FAINT) == [], lambda: f"{page.url}: {page.evaluate(FAINT)}")
