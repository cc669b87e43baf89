"""What folded groups hold is drawn by a second script run: nobody who is faster than it loses or misses anything."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from test_journeys import button, wait_for_address
from test_pages import go_to, number_field

NEVER_IDLE = "window.requestIdleCallback = () => 0;"
"""A browser that is always busy: only a person's reach for the sidebar brings the second run."""


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(button(page, "Start")).to_be_enabled()


def group(page: Page, name: str):
    return page.get_by_test_id("stSidebar").locator("summary", has_text=re.compile(rf"{name}( ·|$)"))


def waiting(page: Page):
    return page.locator("[data-testid=stSidebar] .tp-waiting")


def knobs_in_address(page: Page, wanted: dict[str, str]) -> None:
    page.wait_for_function(
        """(wanted) => JSON.stringify(Object.fromEntries([...new URLSearchParams(location.search)].sort()))
            === JSON.stringify(Object.fromEntries(Object.entries(wanted).sort()))""",
        arg=wanted,
    )


def test_the_rest_is_drawn_once_the_charts_stand(shared_site, visitor):
    page = visitor().new_page()
    open_page(page, shared_site.url)
    expect(waiting(page)).to_have_count(0)
    expect(page.locator(".st-key-epochs input")).to_be_attached()
    expect(number_field(page, "Epochs")).to_be_hidden()
    knobs_in_address(page, {})


@pytest.mark.parametrize("by", ["click", "keyboard"])
def test_whoever_opens_a_group_before_finds_its_knobs(shared_site, visitor, by):
    page = visitor().new_page()
    page.add_init_script(NEVER_IDLE)
    open_page(page, f"{shared_site.url}?seed=5")
    expect(page.locator("[data-testid=live-panel][data-stands]")).to_be_visible()
    expect(group(page, "Run")).to_contain_text("1 changed")
    expect(page.locator(".st-key-seed input")).to_have_value("5")  # what the link changes is there
    expect(waiting(page).first).to_be_attached()
    if by == "click":
        group(page, "Optimizer").click()
    else:
        group(page, "Optimizer").focus()
        page.keyboard.press("Enter")
    expect(number_field(page, "Batch size")).to_be_visible()
    expect(waiting(page)).to_have_count(0)
    number_field(page, "Batch size").fill("64")
    number_field(page, "Batch size").press("Enter")
    expect(group(page, "Optimizer")).to_contain_text("1 changed")
    knobs_in_address(page, {"seed": "5", "batch_size": "64"})


def test_whoever_searches_before_finds_a_knob(shared_site, visitor):
    page = visitor().new_page()
    page.add_init_script(NEVER_IDLE)
    open_page(page, shared_site.url)
    page.get_by_placeholder("Find a knob").fill("batch size")
    expect(number_field(page, "Batch size")).to_be_visible()
    expect(page.get_by_placeholder("Find a knob")).to_have_value("batch size")


def test_whoever_changes_something_before_keeps_it(shared_site, visitor):
    page = visitor().new_page()
    page.add_init_script(NEVER_IDLE)
    open_page(page, f"{shared_site.url}?batch_size=64")
    page.get_by_test_id("stSidebar").get_by_text("Batch norm", exact=True).click()
    wait_for_address(page, **{"normalization-batch": "true", "batch_size": "64"})
    expect(waiting(page)).to_have_count(0)
    button(page, "Reset").click()
    knobs_in_address(page, {})
    expect(page.locator(".st-key-batch_size input")).not_to_have_value("64")


def test_back_and_forward_bring_folded_values(shared_site, visitor):
    page = visitor().new_page()
    open_page(page, f"{shared_site.url}?batch_size=64")
    expect(waiting(page)).to_have_count(0)
    group(page, "Optimizer").click()
    number_field(page, "Batch size").fill("128")
    number_field(page, "Batch size").press("Enter")
    knobs_in_address(page, {"batch_size": "128"})
    go_to(page, "Runs")
    expect(page.get_by_text("Knobs · 1 changed")).to_be_visible()
    knobs_in_address(page, {"batch_size": "128"})
    page.go_back()
    expect(button(page, "Start")).to_be_enabled()
    knobs_in_address(page, {"batch_size": "128"})
    expect(page.locator(".st-key-batch_size input")).to_have_value("128")
    button(page, "Reset").click()
    knobs_in_address(page, {})
    expect(group(page, "Optimizer")).not_to_contain_text("changed")
    page.go_back()
    knobs_in_address(page, {"batch_size": "128"})
    expect(page.locator(".st-key-batch_size input")).to_have_value("128")
    page.go_forward()
    knobs_in_address(page, {})
    expect(page.locator(".st-key-batch_size input")).to_have_value("32")


def test_the_menu_of_a_phone_has_all_groups(shared_site, visitor):
    page = visitor(390, 844, "dark", has_touch=True, is_mobile=True).new_page()
    page.add_init_script(NEVER_IDLE)
    open_page(page, f"{shared_site.url}?optimizer=SGD")
    button(page, "Menu").tap()
    group(page, "Run").tap()
    expect(number_field(page, "Seed")).to_be_visible()
    expect(waiting(page)).to_have_count(0)
    expect(group(page, "Optimizer")).to_contain_text("1 changed")
