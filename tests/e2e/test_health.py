"""The Health page in a real browser, while real runs train. Every wait is for a condition."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from test_journeys import button, no_sideways_scroll, start, status

SLOW = "?data=two_moons&pace=60&epochs=400"


def card(page: Page, name: str):
    return page.get_by_test_id(f"health-{name}")


def drawn(page: Page, name: str, times: int = 1) -> None:
    """Until a figure has been drawn so many times."""
    page.wait_for_function(
        "([name, times]) => Number(document.querySelector(`[data-testid=health-${name}]`)?.dataset.drawn ?? 0) >= times",
        arg=[name, times],
    )


def last_sampled(page: Page) -> int:
    return page.evaluate("[...window.__trainscopeFeed.healths.values()][0].steps.at(-1)")


def open_health(page: Page) -> None:
    page.get_by_role("link", name="Health", exact=True).first.click()
    expect(page.get_by_role("heading", name="Health", exact=True)).to_be_visible()


def test_heat_map_and_boundary_move_while_the_run_trains(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + SLOW)
    start(page)
    expect(status(page)).to_contain_text("Training")
    open_health(page)
    drawn(page, "gradients")
    first = last_sampled(page)
    page.evaluate("document.querySelector('[data-testid=health-gradients] .ts-plot').sameNode = true")
    drawn(page, "decision")
    before = card(page, "decision").locator("canvas").get_attribute("data-sum")
    page.wait_for_function(
        "step => [...window.__trainscopeFeed.healths.values()][0].steps.at(-1) > step", arg=first + 100
    )
    page.wait_for_function(
        "sum => document.querySelector('[data-testid=health-decision] canvas').dataset.sum !== sum",
        arg=before,
    )
    shown = page.evaluate(
        "document.querySelector('[data-testid=health-gradients] .ts-plot').data[0].x.at(-1)"
    )
    assert shown > first
    assert page.evaluate("document.querySelector('[data-testid=health-gradients] .ts-plot').sameNode"), (
        "mounted once"
    )
    expect(card(page, "gradients").locator(".ts-body")).to_have_attribute(
        "aria-label", re.compile(r"At step \d+: hidden1 [\d.]+")
    )
    page.reload()
    drawn(page, "gradients")
    drawn(page, "decision")
    assert last_sampled(page) > first
    steps = page.evaluate("[...window.__trainscopeFeed.healths.values()][0].steps")
    assert steps[:8] == list(range(1, 9))
    assert steps == sorted(set(steps)), "each sampled step once"


def test_digits_end_with_a_matrix_and_the_mistakes_behind_it(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + "?epochs=3&clipping=by_norm&clipping.max_norm=2&early_stopping-patience=true")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    page.locator("[data-testid=stPageLink]").get_by_role("link", name="Health").click()
    expect(card(page, "confusion")).to_contain_text("Final weights (epoch 3)")
    matrix = "document.querySelector('[data-testid=health-confusion] .ts-plot').data[0].customdata"
    counts = page.evaluate(matrix)
    right = sum(row[i] for i, row in enumerate(counts))
    total = sum(map(sum, counts))
    assert total == 270
    expect(card(page, "confusion")).to_contain_text(f"{right} of {total} correct")
    expect(card(page, "mistakes")).to_contain_text(f"{total - right} of {total} validation images are wrong")
    expect(card(page, "mistakes").locator("canvas")).to_have_count(min(15, total - right))
    expect(card(page, "histogram")).to_contain_text("% of 120 steps were clipped")
    expect(card(page, "stopping")).to_contain_text("Patience left: 10 of 10 epochs")
    page.get_by_text("Step 120 in numbers").click()
    expect(page.get_by_test_id("health-table").get_by_role("row", name="hidden2")).to_have_count(2)


def test_a_broken_connection_is_taken_up_where_it_was(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + SLOW)
    start(page)
    expect(status(page)).to_contain_text("Training")
    open_health(page)
    drawn(page, "gradients", 2)
    page.evaluate("window.__trainscopeFeed.socket.socket.close(4000)")
    step = last_sampled(page)
    page.wait_for_function(
        "step => [...window.__trainscopeFeed.healths.values()][0].steps.at(-1) > step", arg=step + 60
    )
    steps = page.evaluate("[...window.__trainscopeFeed.healths.values()][0].steps")
    assert steps == sorted(set(steps))
    total = page.evaluate("[...window.__trainscopeFeed.healths.values()][0].total")
    assert total >= steps[-1] - 1, "every step is in the histogram once"
    assert total <= steps[-1] + 150


def test_switched_off_and_on_a_phone(shared_site, visitor):
    page = visitor(390, 844).new_page()
    page.goto(shared_site.url + "?epochs=2&health=false")
    expect(button(page, "Start")).to_be_enabled()
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    page.locator("[data-testid=stPageLink]").get_by_role("link", name="Health").click()
    expect(page.get_by_text("Health was switched off for this run")).to_be_visible()
    assert no_sideways_scroll(page)
    page.goto(shared_site.url + "?epochs=2")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_have_count(2)
    page.locator("[data-testid=stPageLink]").get_by_role("link", name="Health").first.click()
    drawn(page, "mistakes")
    assert no_sideways_scroll(page)
