"""The section "Before step 1" in a real browser: open it, change a knob, watch the figure follow."""

from __future__ import annotations

from playwright.sync_api import Page, expect

WIDTHS = "() => document.querySelector('.st-key-before-fresh .js-plotly-plot')?.data[0].x ?? []"  # gone while it is redrawn


def open_section(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_text("Before step 1").click()
    expect(page.locator(".st-key-before-fresh .js-plotly-plot")).to_have_count(2)


def choose(page: Page, knob: str, option: str) -> None:
    page.get_by_role("combobox", name=knob).click()
    page.get_by_role("option", name=option).click()


def test_weights_that_are_too_small_are_seen_before_training(shared_site, visitor):
    page = visitor().new_page()
    open_section(page, shared_site.url)
    expect(page.get_by_text("The activations keep their scale")).to_be_visible()
    assert min(page.evaluate(WIDTHS)) > 0.1
    choose(page, "Initialization", "Too small")
    expect(page.get_by_text("the signal vanishes")).to_be_visible()
    page.wait_for_function(f"Math.min(...({WIDTHS})()) < 0.01")
    expect(page.get_by_text("No runs yet").or_(page.get_by_text("Press Start"))).to_be_visible()
    page.get_by_text("As a table").first.click()
    expect(page.get_by_role("rowheader", name="hidden2.linear").first).to_be_visible()


def test_it_answers_while_runs_train_and_a_phone_does_not_scroll_sideways(shared_site, visitor):
    page = visitor(390, 844, has_touch=True, is_mobile=True, color_scheme="dark").new_page()
    page.goto(shared_site.url + "?epochs=1000&pace=60&mixing=mixup")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_test_id("live-status")).to_contain_text("Training")
    page.get_by_text("Before step 1").click()
    expect(page.locator(".st-key-before-fresh .js-plotly-plot")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator(".st-key-before-fresh img")).to_have_count(16)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_test_id("live-status")).to_contain_text("Stopped")
