"""What people do on the pages beside Train, in a real browser on a real server. Every wait is for a condition."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from test_journeys import button, legend, no_sideways_scroll, start, wait_for_address

from trainer.config import RunConfig
from trainer.store import COMMAND_LINE, Store

PLOT = "[...document.querySelectorAll('.js-plotly-plot')].at(-1)"
MIDDLE = f"""() => {{
  const plot = {PLOT}, line = plot.calcdata[1], point = line[line.length >> 1];
  const box = plot.getBoundingClientRect(), {{ xaxis, yaxis }} = plot._fullLayout;
  return [box.x + xaxis._offset + xaxis.c2p(point.x), box.y + yaxis._offset + yaxis.c2p(point.y)];
}}"""
"""Where on the page the middle point of the smoothed curve is."""


def go_to(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def number_field(page: Page, label: str):
    # The whole label, after which a unit may stand.
    return page.get_by_role("spinbutton", name=re.compile(rf"^{re.escape(label)}( ·|$)"))


def test_what_if_asks_trains_says_the_verdict_and_takes_more_seeds(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "experiments?data=two_moons&data.samples=60&epochs=3&model.layers=8")
    knob = page.get_by_role("combobox", name="Knob to change")
    knob.click()
    knob.fill("Normalization")
    page.get_by_role("option", name="Normalization", exact=True).click()
    expect(button(page, "Compare: 12 runs")).to_be_enabled()
    button(page, "Compare: 12 runs").click()
    verdict = page.locator(".tp-verdict")
    expect(verdict).to_contain_text("Batch norm")
    expect(page.get_by_text("12 runs, all ended.")).to_be_visible()
    expect(verdict).to_contain_text("6 ")
    expect(page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_attached()
    page.get_by_role("button", name=re.compile(r"^Add \d+ seeds?$")).click()
    expect(page.get_by_text(re.compile(r"^(1[4-9]|[2-5]\d) runs, all ended\.$"))).to_be_visible()
    page.reload()
    expect(verdict).to_contain_text("Batch norm")
    button(page, "All comparisons").click()
    expect(page.get_by_role("heading", name="Your comparisons")).to_be_visible()
    page.locator("[class*=st-key-open-comparison]").get_by_role("button").first.click()
    expect(verdict).to_contain_text("Batch norm")
    button(page, "Where does the noise come from?").click()
    expect(page.get_by_role("heading", name=re.compile("Where the noise comes from"))).to_be_visible()


def test_live_runs_are_counted_and_stopped_one_by_one_or_all_at_once(shared_site, visitor):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}?pace=60&epochs=1000")
    sidebar = page.get_by_test_id("stSidebarUserContent")
    for number in (1, 2, 3):
        start(page)
        expect(page.locator("[class*=st-key-card-]")).to_have_count(number)
        sidebar.get_by_text("Batch norm", exact=True).click()  # the same again would count as a double click
        expect(page.get_by_text("Next run changes")).to_be_visible()
    overview = page.locator(".st-key-live-overview")
    expect(overview).to_contain_text(re.compile(r"\d training.*steps/s, about .* left"))
    overview.get_by_text("Each run").click()
    stops = overview.get_by_role("button", name=re.compile("^Stop Run"))
    expect(stops).to_have_count(3)
    stops.last.click()
    expect(stops).to_have_count(2)
    expect(page.locator("[class*=st-key-card-]").first).to_contain_text("Stopped")
    button(page, "Stop all").click()
    expect(page.locator("[class*=st-key-card-] .tp-pill", has_text="Stopped")).to_have_count(3)
    expect(button(page, "Stop")).to_be_disabled()
    expect(overview).to_have_count(0)


def test_the_lr_finder_leads_to_a_rate_in_the_sidebar(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "lr-finder")
    expect(page.get_by_text("No test yet")).to_be_visible()
    button(page, "Find").click()
    take = page.get_by_role("button", name=re.compile(r"^Use [\d.e+-]+ \(valley\)$"))
    expect(take).to_be_visible()
    page.wait_for_function(f"({PLOT})?.calcdata?.[1]?.length > 20")
    rate = take.inner_text().split()[1]
    take.click()
    wait_for_address(page, learning_rate=f"{float(rate):g}".replace("e-0", "e-"))
    expect(page.get_by_text("The learning rate is now")).to_be_visible()
    page.mouse.click(*page.evaluate(MIDDLE))
    clicked = page.get_by_role("button", name=re.compile(r"\(clicked\)$"))
    expect(clicked).to_be_visible()
    rate = clicked.inner_text().split()[1]
    clicked.click()
    wait_for_address(page, learning_rate=f"{float(rate):g}".replace("e-0", "e-"))


def test_the_reference_teaches_a_technique_and_sets_the_sidebar(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "reference")
    expect(page.locator(".katex").first).to_be_visible()
    expect(page.get_by_role("cell", name="−1.342").first).to_be_visible()  # a process with torch has answered
    page.get_by_role("combobox", name=re.compile("^Family")).click()
    page.get_by_role("option", name="Scheduler").click()
    page.get_by_role("radio", name="Cosine annealing").or_(
        page.get_by_role("button", name="Cosine annealing")
    ).first.click()
    wait_for_address(page, technique="schedule.cosine")
    expect(page.get_by_role("heading", name="Cosine annealing")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^50 ")).get_by_role("cell")).to_have_text("0.00505")
    expect(page.locator(".js-plotly-plot").last).to_be_visible()
    button(page, "Use it").click()
    wait_for_address(page, schedule="Cosine annealing")
    page.reload()
    expect(page.get_by_role("heading", name="Cosine annealing")).to_be_visible()
    go_to(page, "Train") if page.get_by_role(
        "heading", name="Train", exact=True
    ).count() else page.get_by_role("link", name="Train").click()
    expect(page.locator(".st-key-controls .tp-chip").first).to_contain_text("Cosine annealing")


def test_the_reference_is_searched_by_keyboard(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "reference?technique=dropout")
    expect(page.get_by_text("Common misconception")).to_be_visible()
    search = page.get_by_role("combobox", name=re.compile("^Find"))
    search.focus()
    page.keyboard.type("adamw")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")  # a busy browser may not have marked the option yet
    page.keyboard.press("Enter")
    wait_for_address(page, technique="optimizer.adamw")
    expect(page.get_by_role("heading", name="AdamW")).to_be_visible()
    source = page.get_by_role("link", name=re.compile("arXiv"))
    expect(source).to_have_attribute("href", "https://arxiv.org/abs/1711.05101")


@pytest.mark.parametrize("technique", ["optimizer.adam", "mixing.mixup"])
def test_a_technique_fits_a_phone(shared_site, visitor, technique):
    page = visitor(390, 844, has_touch=True, is_mobile=True).new_page()
    page.goto(f"{shared_site.url}reference?technique={technique}")
    expect(page.locator(".tp-numbers").first).to_be_visible()
    assert no_sideways_scroll(page)


def test_start_is_two_keys_away_and_knobs_are_found_by_typing(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url)
    expect(button(page, "Start")).to_be_enabled()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to Start")).to_be_focused()
    page.keyboard.press("Enter")
    expect(button(page, "Start")).to_be_focused()

    page.get_by_text("Optimizer", exact=True).first.click()
    number_field(page, "Batch size").fill("64")
    number_field(page, "Batch size").press("Enter")
    expect(page.get_by_text("Optimizer · 1 changed")).to_be_visible()
    expect(number_field(page, "Batch size")).to_be_visible()  # a group stays open while its count changes
    wait_for_address(page, batch_size="64")

    page.get_by_placeholder("Find a knob").fill("seed")
    # Those of single purposes are among them, and that of a data set.
    expect(page.get_by_text("6 knobs found")).to_be_visible()
    expect(number_field(page, "Batch size")).to_be_hidden()
    # Only when the script is done do the fields found stand where they stay.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    number_field(page, "Seed").fill("7")
    number_field(page, "Seed").press("Enter")
    wait_for_address(page, seed="7", batch_size="64")
    page.get_by_placeholder("Find a knob").fill("")
    expect(page.get_by_text("Run · 1 changed")).to_be_visible()
    wait_for_address(page, seed="7", batch_size="64")
    go_to(page, "Runs")
    expect(page.get_by_text("Knobs · 2 changed")).to_be_visible()
    expect(number_field(page, "Learning rate")).to_be_hidden()
    wait_for_address(page, seed="7", batch_size="64")


def test_the_menu_of_a_phone_closes_after_a_choice_and_no_page_scrolls_sideways(shared_site, visitor):
    page = visitor(390, 844, has_touch=True, is_mobile=True).new_page()
    page.goto(shared_site.url + "?data=mnist&batch_size=0&nonsense=" + "x" * 300)
    expect(button(page, "Start")).to_be_visible()
    assert no_sideways_scroll(page)
    for name in ("Runs", "Health", "Reference", "LR finder"):
        button(page, "Menu").tap()
        page.get_by_test_id("stSidebarNavItems").get_by_role("link", name=name).tap()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(button(page, "Menu")).to_be_visible()
        expect(page.get_by_test_id("stSidebarNavItems")).not_to_be_in_viewport()
        assert no_sideways_scroll(page)


@pytest.fixture
def three_runs(shared_site):
    """Runs of the command line, which every visitor sees; they are gone afterwards."""
    store = Store(f"sqlite:///{shared_site.home / 'trainscope.db'}")
    made = [
        store.create_run(RunConfig.from_flat({"dropout.rate": rate}), COMMAND_LINE, f"rate {rate}")
        for rate in (0, 0.2, 0.5)
    ]
    for run in made:
        store.request(run, "stop", by=COMMAND_LINE)
    yield made
    for run in made:
        store.delete(run, by=COMMAND_LINE)
    store.close()


def test_several_runs_are_selected_seen_side_by_side_and_linked(shared_site, visitor, three_runs):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}runs")
    page.get_by_text("Several", exact=True).click()
    expect(page.get_by_text("Select two runs or more")).to_be_visible()
    box = page.get_by_test_id("stDataFrame").bounding_box()
    for row in range(2):
        page.mouse.click(box["x"] + 16, box["y"] + 36 * (row + 1) + 18)
        wait_for_address(page, run=",".join(map(str, three_runs[: -row - 2 : -1])))
    expect(page.get_by_role("heading", name="2 runs side by side")).to_be_visible()
    other = visitor().new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", name="2 runs side by side")).to_be_visible()
    button(other, "Show on chart").click()
    other.get_by_role("link", name="Train", exact=True).click()
    expect(legend(other)).to_have_text(["rate 0.2", "rate 0.5"])
