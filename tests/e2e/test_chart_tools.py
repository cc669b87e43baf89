"""What one does with the live charts in a real browser: zoom, point, full screen, download, clear."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from test_journeys import button, chart, legend, start, status, wait_for_address
from waiting import PATIENCE

from trainer.metrics.registry import columns
from trainer.store import Batch, Store

STEPS = 4000
CHARTS = ("loss", "lr", "grad_norm")
CALM, WILD = "Calm & <steady>", "Too fast"


def add_run(store: Store, name: str, diverges: bool) -> None:
    """Writes a finished run whose loss falls, and in the end grows a millionfold where it `diverges`."""
    rng = np.random.default_rng(1)
    steps = np.arange(1, STEPS + 1)
    loss = (0.05 + 2.25 * np.exp(-steps / 500)) * (1 + 0.1 * rng.random(STEPS))
    if diverges:
        loss[STEPS // 2 :] *= 1e6
    known = {"step": steps, "loss": loss, "lr": np.full(STEPS, 0.01), "grad_norm": 1 + rng.random(STEPS)}
    rows = np.column_stack([known.get(name, np.full(STEPS, np.nan)) for name in columns("step")])
    run = store.create_run({}, "reader", name=name)
    attempt = store.claim(run)
    progress = {"step": STEPS, "total_steps": 10 * STEPS, "epoch": 10, "epochs": 100}
    store.record(run, attempt, [Batch("step", columns("step"), rows)], progress)
    store.finish(run, attempt, "stopped")


@pytest.fixture(scope="module")
def url(live_page):
    store, url = live_page
    add_run(store, CALM, diverges=False)
    add_run(store, WILD, diverges=True)
    return f"{url}?owner=reader"


def opened(page: Page, url: str) -> Page:
    page.goto(url)
    for name in ("loss", "lr", "grad_norm"):
        drawn = f"document.querySelector('[data-testid=live-chart-{name}]')?.dataset.lastStep"
        page.wait_for_function(f"Number({drawn}) === {STEPS}")
    chart(page).scroll_into_view_if_needed()
    return page


@pytest.fixture
def page(url, visitor):
    return opened(visitor().new_page(), url)


def ranges(page: Page, name: str = "loss") -> dict[str, list[float]]:
    """The x and y range of a chart."""
    return page.evaluate(
        f"(({{ xaxis, yaxis }}) => ({{ x: [...xaxis.range], y: [...yaxis.range] }}))({plot(name)}._fullLayout)"
    )


def plot(name: str = "loss") -> str:
    return f"document.querySelector('[data-testid=live-chart-{name}]')"


def wait_for_zoom(page: Page, zoomed: bool) -> None:
    """Until every chart is zoomed in x, or none is."""
    for name in CHARTS:
        page.wait_for_function(f"{plot(name)}._fullLayout.xaxis.autorange === {str(not zoomed).lower()}")


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    """With the mouse, from one place on the loss chart to another."""
    box = chart(page).bounding_box()
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=4)
    page.mouse.up()


def test_a_box_zooms_all_charts_in_x_and_its_own_in_y(page):
    whole = {name: ranges(page, name) for name in CHARTS}
    drag(page, (120, 60), (260, 150))
    wait_for_zoom(page, True)
    page.wait_for_function(f"Number({plot()}.dataset.detail) > 0")
    zoomed = {name: ranges(page, name) for name in CHARTS}
    for before, after in zip(whole["loss"].values(), zoomed["loss"].values(), strict=True):
        assert before[0] < after[0] < after[1] < before[1]
    for name in CHARTS[1:]:
        assert zoomed[name]["x"] == zoomed["loss"]["x"]
        assert zoomed[name]["y"] == whole[name]["y"]
    box = chart(page).bounding_box()
    page.mouse.dblclick(box["x"] + 200, box["y"] + 100)
    wait_for_zoom(page, False)
    assert {name: ranges(page, name) for name in CHARTS} == whole
    page.wait_for_function(f"Number({plot()}.dataset.detail) === 0")


def test_with_shift_a_box_zooms_x_only(page):
    whole = ranges(page)
    page.keyboard.down("Shift")
    drag(page, (120, 60), (260, 150))
    page.keyboard.up("Shift")
    wait_for_zoom(page, True)
    zoomed = ranges(page)
    assert zoomed["y"] == whole["y"]
    assert whole["x"][0] < zoomed["x"][0] < zoomed["x"][1] < whole["x"][1]
    button(page, "Reset zoom").first.click()
    wait_for_zoom(page, False)
    expect(button(page, "Reset zoom").first).to_be_disabled()


def test_two_fingers_zoom_x_and_a_double_tap_resets(url, visitor):
    page = opened(visitor(390, 844, has_touch=True, is_mobile=True).new_page(), url)
    whole = ranges(page)
    touch = page.context.new_cdp_session(page)
    box = chart(page).bounding_box()
    page.touchscreen.tap(box["x"] + 150, box["y"] + 80)  # a finger points, and all values have room
    values = page.get_by_test_id("live-readout-loss").locator(".ts-value").last
    expect(values).to_be_in_viewport(ratio=1)

    def fingers(kind: str, *xs: float) -> None:
        points = [{"x": box["x"] + x, "y": box["y"] + box["height"] / 2, "id": i} for i, x in enumerate(xs)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 150)
    fingers("touchStart", 150, 200)
    for apart in (20, 40, 60):
        fingers("touchMove", 150 - apart, 200 + apart)
    fingers("touchEnd")
    wait_for_zoom(page, True)
    zoomed = ranges(page)
    assert zoomed["y"] == whole["y"]
    assert zoomed["x"][1] - zoomed["x"][0] < 0.6 * (whole["x"][1] - whole["x"][0])
    for _ in range(20):  # on a busy machine two taps may be too far apart to be a double one
        fingers("touchStart", 180)
        fingers("touchEnd")
        if page.evaluate(f"!{plot()}.closest('section').querySelector('.ts-button').matches(':enabled')"):
            break
    wait_for_zoom(page, False)


def test_a_diverged_run_leaves_the_others_their_height(page):
    assert 2 < ranges(page)["y"][1] < 25
    note = page.locator(".ts-above").first
    expect(note).to_contain_text(f"Above the view: {WILD} (up to")
    names = page.evaluate(
        f"{plot()}.data.filter(trace => trace.marker?.symbol === 'triangle-up').map(trace => trace.name)"
    )
    assert names == [f"{WILD} · above the view"]
    button(page, "Show full range").click()
    page.wait_for_function(f"{plot()}._fullLayout.yaxis.range[1] > 1e4")
    expect(note).to_contain_text(WILD)
    button(page, "Fit the others").click()
    page.wait_for_function(f"{plot()}._fullLayout.yaxis.range[1] < 25")
    page.get_by_label("Log y").check()
    expect(note).to_be_hidden()
    page.wait_for_function(f"{plot()}._fullLayout.yaxis.range[1] > 3")  # an exponent


def test_pointing_at_one_chart_points_at_all(page):
    box = chart(page).bounding_box()
    page.mouse.move(box["x"] + 180, box["y"] + 80)
    lines = page.locator(".ts-crosshair")
    expect(lines.first).to_be_visible()
    pointed = page.evaluate(
        """() => [...document.querySelectorAll(".ts-frame")].map(frame => {
          const { _fullLayout: { xaxis } } = frame.querySelector(".ts-plot"), line = frame.querySelector(".ts-crosshair");
          return line.hidden ? null : xaxis.p2d(parseFloat(line.style.left) - xaxis._offset);
        }).slice(0, 3)"""
    )
    assert max(pointed) - min(pointed) < 1
    readout = page.get_by_test_id("live-readout-loss")
    expect(readout).to_contain_text(CALM)
    expect(readout).to_contain_text("raw")
    expect(readout).to_contain_text("smoothed")
    expect(page.get_by_test_id("live-readout-lr")).to_be_hidden()
    page.mouse.move(box["x"] + 180, box["y"] - 60)
    expect(lines.first).to_be_hidden()
    expect(readout).to_be_hidden()


def test_a_plan_does_not_stretch_the_axis_of_runs_that_have_ended(page):
    assert ranges(page, "lr")["x"][1] < 1.2 * STEPS
    assert ranges(page, "grad_norm")["x"][1] < 1.2 * STEPS


def test_one_chart_fills_the_screen_and_escape_brings_it_back(page):
    before = chart(page).bounding_box()
    full = page.get_by_role("button", name="Full screen (press Escape to leave): Loss")
    full.focus()
    expect(page.locator(".ts-tools").first).to_have_css("opacity", "1")
    page.keyboard.press("Enter")
    page.wait_for_function("document.fullscreenElement?.contains(document.activeElement)")
    page.wait_for_function(f"{plot()}._fullLayout.height > {before['height'] + 100}")
    page.keyboard.press("Escape")
    page.wait_for_function("!document.fullscreenElement")
    page.wait_for_function(f"{plot()}._fullLayout.height === {before['height']}")
    expect(full).to_be_focused()


def saved(page: Page, format_: str, folder: Path) -> bytes:
    with page.expect_download(timeout=PATIENCE * 1000) as download:
        page.get_by_role("button", name=f"Download as {format_}: Loss").click()
    assert download.value.suggested_filename == f"trainscope-loss.{format_.lower()}"
    download.value.save_as(folder / "picture")
    return (folder / "picture").read_bytes()


def test_a_chart_is_saved_at_twice_its_size_with_names(page, tmp_path):
    shown = page.evaluate(f"[{plot()}.clientWidth, {plot()}.clientHeight]")
    png = saved(page, "PNG", tmp_path)
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG")
    assert width == 2 * shown[0]
    assert height > 2 * shown[1]  # the title and the legend take no room from the plot
    svg = ElementTree.fromstring(saved(page, "SVG", tmp_path))
    assert (int(svg.get("width")), int(svg.get("height"))) == (width, height)
    texts = {"".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Loss", "step", f"{CALM} · train", f"{WILD} · train"} <= texts


def test_no_image_hides_a_button_and_each_chart_is_told_in_words(page):
    assert page.locator("[role=img] button, [role=img] a, [role=img] [tabindex]").count() == 0
    image = page.get_by_role("figure", name="Loss", exact=True).get_by_role("img", name="Loss")
    expect(image).to_have_accessible_description(
        re.compile(rf"{re.escape(CALM)}: training fell from 2\.\d+ to .*{WILD}: training rose from")
    )


def test_what_is_on_the_chart_survives_a_reload_and_can_be_cleared(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "?epochs=2")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    page.get_by_role("radio", name="Epoch").check()
    wait_for_address(page, **{"chart.x": "epoch"})
    page.get_by_label("Log y").check()
    wait_for_address(page, **{"chart.log": "true"})
    smoothing = page.get_by_role("slider", name="Smoothing")
    smoothing.focus()
    smoothing.press("Home")
    wait_for_address(page, **{"chart.smooth": "0.0"})
    legend(page).click()
    run = legend(page).get_attribute("data-run")
    wait_for_address(page, **{"chart.hidden": run})
    page.evaluate("localStorage.clear()")  # the address alone is to bring it back
    page.reload()
    expect(legend(page)).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("radio", name="Epoch")).to_be_checked()
    expect(page.get_by_label("Log y")).to_be_checked()
    expect(smoothing).to_have_value("0")
    wait_for_address(page, **{"chart.runs": run, "chart.hidden": run, "chart.x": "epoch"})
    button(page, "Clear chart").click()
    expect(legend(page)).to_have_count(0)
    wait_for_address(page, **{"chart.runs": "none", "chart.x": "epoch"})
    page.reload()
    expect(button(page, "Clear chart")).to_be_disabled()
    expect(legend(page)).to_have_count(0)
    start(page)
    expect(legend(page)).to_have_count(1)
    expect(status(page)).to_contain_text("Run")
