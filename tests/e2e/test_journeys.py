"""What people do, in a real browser on a real server with real training. Every wait is for a condition."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

SLOW = "?pace=60&epochs=1000"  # steps a second, so that a run lasts as long as a test needs it


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def start(page: Page) -> None:
    expect(button(page, "Start")).to_be_enabled()
    button(page, "Start").click()


def status(page: Page):
    return page.get_by_test_id("live-status")


def chart(page: Page, name: str = "loss"):
    return page.get_by_test_id(f"live-chart-{name}")


def last_step(page: Page) -> int:
    return int(chart(page).get_attribute("data-last-step") or 0)


def wait_for_step(page: Page, step: int) -> None:
    """Until the loss chart has drawn this step."""
    page.wait_for_function(
        "step => Number(document.querySelector('[data-testid=live-chart-loss]')?.dataset.lastStep ?? 0) >= step",
        arg=step,
    )


def wait_for_address(page: Page, **wanted: str) -> None:
    page.wait_for_function(
        "wanted => Object.entries(wanted).every(([k, v]) => new URLSearchParams(location.search).get(k) === v)",
        arg=wanted,
    )


def legend(page: Page):
    return page.get_by_role("group", name="Runs shown").get_by_role("button")


def no_sideways_scroll(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_newcomers_first_minutes(shared_site, visitor):
    """Start, watch, flip one knob, start again: the twin draws itself over the first."""
    page = visitor().new_page()
    page.goto(shared_site.url)
    expect(page.get_by_text("Press Start")).to_be_visible()
    assert chart(page, "lr").is_visible()
    start(page)
    wait_for_step(page, 100)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    page.wait_for_function(  # 150 epochs are a line by then, no longer dots that run into each other
        "document.querySelector('[data-testid=live-chart-metric]').data.filter(line => line.x.length > 100)"
        ".map(line => line.mode).join() === 'lines,lines'"
    )
    page.get_by_text("Batch norm", exact=True).click()
    expect(page.get_by_text("Next run changes")).to_be_visible()
    expect(page.locator(".st-key-controls .tp-chip")).to_have_text("Normalization None → Batch norm")
    node = chart(page).get_attribute("data-node-id")
    start(page)
    expect(legend(page)).to_have_count(2)
    page.wait_for_function(  # training and validation of both; how two that are over look is a test's below
        "document.querySelector('[data-testid=live-chart-loss]').data.filter(t => t.x.length > 10).length >= 4"
    )
    assert chart(page).get_attribute("data-node-id") == node


def test_charts_stay_mounted_and_keep_their_zoom(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + SLOW)
    start(page)
    wait_for_step(page, 40)
    node = chart(page).get_attribute("data-node-id")
    box = chart(page).bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 160, steps=3)
    page.mouse.up()
    layout = "document.querySelector('[data-testid=live-chart-loss]')._fullLayout"
    page.wait_for_function(f"{layout}.xaxis.autorange === false")
    ranges = f"(({{ xaxis, yaxis }}) => [...xaxis.range, ...yaxis.range])({layout})"
    zoomed = page.evaluate(ranges)
    seen = {last_step(page)}
    while len(seen) < 20:
        wait_for_step(page, max(seen) + 1)
        seen.add(last_step(page))
    slider = page.locator(
        "[class*=st-key-dropout-rate] [role=slider], [class*=st-key-dropout-rate] input"
    ).first
    slider.focus()
    page.keyboard.press("ArrowRight")  # a rerun of the whole page
    expect(page.get_by_text("Next run changes")).to_be_visible()
    wait_for_step(page, max(seen) + 1)
    assert chart(page).get_attribute("data-node-id") == node
    assert page.evaluate(ranges) == zoomed
    button(page, "Stop").click()
    expect(status(page)).to_contain_text("Stopped")


def test_pause_resume_stop(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + SLOW)
    start(page)
    wait_for_step(page, 20)
    button(page, "Pause").click()
    expect(status(page)).to_contain_text("Paused")
    paused_at = last_step(page)
    expect(button(page, "Resume")).to_be_enabled()
    button(page, "Resume").click()
    expect(status(page)).to_contain_text("Training")
    wait_for_step(page, paused_at + 20)
    button(page, "Stop").click()
    expect(status(page)).to_contain_text("Stopped")
    expect(button(page, "Stop")).to_be_disabled()
    steps = page.evaluate(
        "document.querySelector('[data-testid=live-chart-loss]').data.map(t => Array.from(t.x)).find(x => x.length > 10)"
    )
    assert steps == sorted(set(steps))  # nothing twice, nothing out of order


def test_a_reload_mid_run_goes_on(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + SLOW)
    start(page)
    wait_for_step(page, 30)
    before = last_step(page)
    page.reload()
    wait_for_step(page, before + 10)
    expect(status(page)).to_contain_text("Training")
    expect(button(page, "Stop")).to_be_enabled()
    button(page, "Stop").click()
    expect(status(page)).to_contain_text("Stopped")


def test_a_fresh_server_shows_a_deep_link_and_its_restart_mid_run_loses_nothing(own_site, visitor):
    """The first request that a fresh server ever gets is for a page inside."""
    own_site.start()
    page = visitor().new_page()
    page.goto(f"{own_site.url}runs{SLOW}&dropout.rate=0.4&schedule=cosine&batch_size=0")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(page.get_by_text("Invalid value '0' for Batch size; using 32.")).to_be_visible()
    wait_for_address(page, schedule="Cosine annealing")
    page.get_by_test_id("stSidebarNavItems").get_by_role("link", name="Train").click()
    expect(page.locator(".st-key-controls .tp-chip", has_text="Dropout rate 0 → 0.4")).to_be_visible()
    start(page)
    wait_for_step(page, 40)
    before = last_step(page)
    own_site.stop()
    own_site.start()
    page.reload()
    wait_for_step(page, before + 20)
    expect(status(page)).to_contain_text("Training")
    button(page, "Stop").click()
    expect(status(page)).to_contain_text("Stopped")
    visitor.complaints.clear()  # a browser complains about a server that is away


def test_two_tabs_of_one_visitor_and_another_visitor(shared_site, visitor):
    mine, other = visitor(), visitor()
    first = mine.new_page()
    first.goto(shared_site.url + SLOW)
    start(first)
    wait_for_step(first, 10)
    second = mine.new_page()
    second.goto(shared_site.url)
    wait_for_step(second, 20)
    stranger = other.new_page()
    stranger.goto(shared_site.url + "runs")
    expect(stranger.get_by_text("No runs yet")).to_be_visible()
    button(second, "Stop").click()
    expect(status(first)).to_contain_text("Stopped")
    expect(button(first, "Stop")).to_be_disabled()


def test_a_phone_can_train(shared_site, visitor):
    page = visitor(390, 844, has_touch=True, is_mobile=True).new_page()
    page.goto(shared_site.url + "?epochs=3")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    assert no_sideways_scroll(page)


def test_the_keyboard_is_enough(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "?epochs=2")
    expect(button(page, "Start")).to_be_enabled()
    button(page, "Start").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    page.get_by_role("button", name="Actions").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem").or_(page.get_by_role("option")).first).to_be_visible()


def test_loaded_knobs_are_in_the_address_and_survive_a_reload(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "?schedule=one_cycle&schedule.rise=0.4&epochs=2&seed=9")
    wait_for_address(page, schedule="One cycle")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    button(page, "Reset").click()
    page.wait_for_function("/^\\?chart.runs=\\d+$/.test(location.search)")
    page.get_by_role("button", name="Actions").click()
    page.get_by_text("Load these knobs").click()
    wait_for_address(page, **{"schedule": "One cycle", "schedule.rise": "0.4", "epochs": "2", "seed": "9"})
    page.reload()
    expect(page.get_by_text("would draw the same curve")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["schedule.rise"] == ["0.4"]


def test_the_share_link_is_copied(shared_site, visitor):
    page = visitor(permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto(shared_site.url + "?dropout.rate=0.3")
    button(page, "Copy link").click()
    expect(button(page, "Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{shared_site.url}?dropout.rate=0.3&seed=0"


def test_a_run_is_named_and_found_again(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "?epochs=2")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    page.get_by_role("link", name="Runs").click()
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 36 + 18)
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("<b>my</b> first")
    name.press("Enter")
    expect(page.locator(".tp-name")).to_have_text("<b>my</b> first")
    page.get_by_role("link", name="Train").click()
    expect(legend(page)).to_have_text("<b>my</b> first")


def test_a_run_that_goes_wrong_is_diagnosed_and_mended(shared_site, visitor):
    """A learning rate far too high: the page says so, one click starts the twin with a lower one, and that learns."""
    page = visitor().new_page()
    page.goto(shared_site.url + "?learning_rate=1&epochs=15&seed=2")
    start(page)
    expect(page.get_by_role("heading", name="Learning rate too high")).to_be_visible()
    fix = page.get_by_role("button", name="Try the fix: Learning rate → 0.001")
    fix.click()
    expect(legend(page)).to_have_count(2)
    expect(page.get_by_text("No problems found")).to_be_visible()
    expect(fix).to_be_disabled()
    cards = page.locator("[class*=st-key-card-]")
    expect(cards.last).to_contain_text("Learning rate 1")
    expect(cards.first.locator(".tp-chip")).to_have_text(
        ["Epochs 15", "Seed 2"]
    )  # the rate is the default again
    expect(cards.first.locator(".tp-facts")).to_contain_text(
        re.compile(r"Test accuracy · final weights\s*(9\d|100)")
    )
