"""A comparison's report: downloaded from its page, and opened from disk by somebody without a network."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from test_journeys import button
from waiting import until

from trainer.comparison.analysis import start
from trainer.comparison.design import make_design
from trainer.config import RunConfig
from trainer.curves.palette import PALETTE
from trainer.store import COMMAND_LINE, Store

HOSTILE = "</script><img src=https://evil.io onerror=alert(1)> שלום"
STROKES = """() => [...document.querySelectorAll(".chart .scatterlayer .js-line")]
  .map(line => getComputedStyle(line).stroke)"""


@pytest.fixture
def report(shared_site, visitor, tmp_path):
    """The report on a small comparison with a hostile title and arm, as its page writes it."""
    store = Store(f"sqlite:///{shared_site.home / 'trainscope.db'}")
    base = RunConfig.from_flat({"data": "two_moons", "data.samples": 60, "model.layers": "8", "epochs": 3})
    arms = {"baseline": base, HOSTILE: base.changed({"normalization": "batch"})}
    number = start(store, make_design(arms, 2), COMMAND_LINE, HOSTILE)
    until(lambda: all(one.run.is_over for one in store.members(number)), "the comparison did not end")
    page = visitor().new_page()
    page.goto(f"{shared_site.url}experiments?comparison={number}")
    with page.expect_download() as download:
        button(page, "Download report").click()
    assert download.value.suggested_filename == f"comparison-{number}.html"
    path = tmp_path / "report.html"
    download.value.save_as(path)
    yield path
    store.delete_comparison(number, by=COMMAND_LINE)  # every visitor would see its runs
    store.close()


def rgb(color):
    return f"rgb({', '.join(str(int(color[place : place + 2], 16)) for place in (1, 3, 5))})"


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_a_report_opens_from_disk_without_a_network(report, chromium, theme, width):
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=theme, offline=True)
    page, complaints, asked = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    expect(page.locator(".chart .scatterlayer .js-line").first).to_be_attached()
    assert {rgb(PALETTE[theme][place]) for place in (0, 1)} <= set(page.evaluate(STROKES))
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    expect(page.locator(".legendtext").nth(1)).to_contain_text("</script><img")
    expect(page.get_by_role("table")).to_have_count(2)
    assert page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("summary").first.press("Enter")
    expect(page.locator("details[open] pre")).to_contain_text('"two_moons"')
    if theme == "dark":
        page.emulate_media(color_scheme="light")
        until(lambda: rgb(PALETTE["light"][0]) in page.evaluate(STROKES), "the chart keeps its dark colors")
    assert complaints == []
    assert asked == [report.as_uri()]
    context.close()
