"""The live panel in a real browser: mounted once, never losing a point, and safe with anybody's text."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from trainer.metrics.registry import columns
from trainer.store import Batch, Store

STEP_COLUMNS = columns("step")

HOSTILE = "<b>bold</b> %{y} <img src=x onerror=alert(1)>"
LOSS = "[data-testid=live-chart-loss]"


class Writer:
    """A run that grows by itself, as a worker would make it."""

    def __init__(self, store: Store) -> None:
        self.store, self.at = store, 0
        self.run = store.create_run({}, "me", name=HOSTILE)
        self.attempt = store.claim(self.run)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._go, daemon=True)
        self.thread.start()

    def _go(self) -> None:
        while not self.stop.wait(0.1):
            rows = np.random.default_rng(self.at).random((10, len(STEP_COLUMNS)))
            rows[:, 0] = np.arange(self.at, self.at + 10)
            if self.at == 100:
                rows[5, 2] = np.nan
            self.at += 10
            progress = {"step": self.at, "total_steps": 100_000, "epoch": 1, "epochs": 10}
            self.store.record(self.run, self.attempt, [Batch("step", STEP_COLUMNS, rows)], progress)

    def end(self) -> None:
        self.stop.set()
        self.thread.join()
        self.store.finish(self.run, self.attempt, "finished")


@pytest.fixture(scope="module")
def url(live_page):
    store, url = live_page
    writer = Writer(store)
    yield f"{url}?owner=me"
    writer.end()


@pytest.fixture
def page(url, visitor):
    page = visitor().new_page()
    page.errors = []
    page.on("dialog", lambda dialog: page.errors.append(f"dialog: {dialog.message}"))
    page.goto(url)
    page.wait_for_selector(f"{LOSS} .main-svg")
    page.wait_for_function(f"Number(document.querySelector('{LOSS}').dataset.lastStep) > 150")
    yield page
    assert page.errors == []


def last_step(page: Page) -> int:
    return int(page.locator(LOSS).get_attribute("data-last-step"))


def wait_beyond(page: Page, step: int) -> None:
    page.wait_for_function(f"Number(document.querySelector('{LOSS}').dataset.lastStep) > {step}")


def test_node_and_zoom_survive_reruns_and_ticks(page):
    node = page.locator(LOSS).get_attribute("data-node-id")
    page.evaluate(f"document.querySelector('{LOSS}').sameNode = true")
    box = page.locator(LOSS).bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 80, steps=4)
    page.mouse.up()
    page.wait_for_function(f"Number(document.querySelector('{LOSS}').dataset.detail) > 0")
    zoom = f"JSON.stringify(document.querySelector('{LOSS}')._fullLayout.xaxis.range)"
    zoomed, step = page.evaluate(zoom), last_step(page)
    page.get_by_role("slider", name="Rate").focus()
    for _ in range(15):  # reruns that overtake each other
        page.keyboard.press("ArrowRight")
    wait_beyond(page, step + 200)  # 20 ticks
    assert page.evaluate(f"document.querySelector('{LOSS}').sameNode")
    assert page.locator(LOSS).get_attribute("data-node-id") == node
    assert page.evaluate(zoom) == zoomed
    page.wait_for_function(  # the newest of the reruns has the last word
        "Math.abs(document.querySelector('[data-testid=live-chart-lr]').data[0].y[0] - 0.25) < 1e-6"
    )


def test_a_broken_connection_comes_back_without_a_gap(page):
    step = last_step(page)
    page.evaluate("window.__trainscopeFeed.socket.socket.close(4000)")
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    expect(page.locator("[data-testid=live-panel]")).to_have_attribute("data-connection", "open")
    wait_beyond(page, step + 50)
    steps = page.evaluate("[...window.__trainscopeFeed.runs.values()][0].curve('step', 'loss').steps")
    new = [at for at in steps if at >= step]
    # A busy machine may thin a long tick, but a lost commit would leave out ten steps in a row.
    assert max(later - at for at, later in itertools.pairwise(new)) < 10


def smoothed(page: Page) -> tuple[list[float], list[float]]:
    x, y = page.evaluate(f"(({{x, y}}) => [[...x], [...y]])(document.querySelector('{LOSS}').data[1])")
    return x, y


def test_the_smoothed_line_is_the_same_after_a_reload(page):
    wait_beyond(page, 450)
    x, y = smoothed(page)
    page.reload()
    page.wait_for_selector(f"{LOSS} .main-svg")
    wait_beyond(page, int(x[-1]))
    again_x, again_y = smoothed(page)
    here, there = np.interp(x, again_x, again_y)[20:], np.array(y[20:])
    assert np.abs(here - there).max() < 0.05


def test_anybodys_text_is_shown_as_text_and_nan_is_marked(page):
    expect(page.get_by_role("button", name=HOSTILE)).to_be_visible()
    expect(page.locator(".ts-marks li").first).to_have_text(f"{HOSTILE}: non-finite (NaN) at step 105")
    box = page.locator(LOSS).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 80)
    readout = page.get_by_test_id("live-readout-loss")
    expect(readout).to_contain_text("<b>bold</b>")
    assert page.locator(".ts-live img, .ts-live b").count() == 0


def test_options_and_legend_work_by_keyboard(page):
    page.get_by_role("radio", name="Step").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('{LOSS}')._fullLayout.xaxis.title.text === 'epoch'")
    page.get_by_label("Log y").focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"document.querySelector('{LOSS}')._fullLayout.yaxis.type === 'log'")
    entry = page.get_by_role("button", name=HOSTILE)
    entry.focus()
    page.keyboard.press("Space")
    expect(entry).to_have_attribute("aria-pressed", "false")
    expect(entry).to_be_focused()
    page.wait_for_function(f"document.querySelector('{LOSS}').data[0].visible === false")


def test_one_connection_per_tab_across_remounts(page):
    opened = []
    page.on("websocket", lambda found: opened.append(found.url))
    toggle = page.get_by_test_id("stCheckbox").get_by_text("Panel")
    for _ in range(2):
        toggle.click()
        expect(page.locator("[data-testid=live-panel]")).to_have_count(0)
        toggle.click()
        expect(page.locator("[data-testid=live-panel]")).to_have_count(1)
    wait_beyond(page, 0)
    assert not [url for url in opened if "/api/live" in url]
