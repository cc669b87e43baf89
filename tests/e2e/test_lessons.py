"""A lesson as a visitor goes through it: predict, run, reveal, now you, checkpoint."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from trainer.lessons.shelf import find_lesson


def button(page: Page, name: str | re.Pattern[str]):
    return page.get_by_role("button", name=name)


def drag(page: Page) -> None:
    """Draws a curve that falls from left to right."""
    plot = page.locator("svg.plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    points = [(0.12 + 0.08 * part, 0.1 + 0.07 * part) for part in range(10)]
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def test_predict_run_reveal_now_you(shared_site, visitor):
    lesson = find_lesson("batch_norm")
    page = visitor().new_page()
    page.goto(f"{shared_site.url}lessons")
    page.locator(".st-key-lesson-card-batch_norm").get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name=lesson.title, exact=True)).to_be_visible()
    button(page, "Next: prediction").click()
    page.get_by_text("with batch norm", exact=True).first.click()
    expect(page.get_by_text("1 of 2 still to predict")).to_be_visible()
    drag(page)
    expect(page.get_by_text("Your curve begins at")).to_be_visible()
    button(page, "Now let the runs decide").click()
    expect(page).to_have_url(re.compile(r"lesson=batch_norm&step=3"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"lesson=batch_norm&step=2"))
    expect(page.get_by_text("Your curve begins at")).to_be_visible()
    button(page, "Now let the runs decide").click()
    button(page, "Train 2 runs").dblclick()
    page.wait_for_function(
        "() => Number(document.querySelector('[data-testid=live-chart-loss]')?.dataset.lastStep ?? 0) > 0"
    )
    button(page, "See what became of your prediction").click()
    expect(page.get_by_text("It was “with batch norm”")).to_be_visible()
    expect(page.get_by_text("You drew a validation loss that ends at")).to_be_visible()
    page.reload()
    expect(page.get_by_text("It was “with batch norm”")).to_be_visible()
    # A click before the first run of the script has ended may be overtaken by the address of that run.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    button(page, "Next: why").click()
    expect(page.locator(".katex-display").first).to_be_visible()
    expect(page.get_by_text("In evaluation, after this one step")).to_be_visible()
    button(page, "Next: now you").click()
    page.get_by_role("combobox", name="Normalization").last.click()
    page.get_by_role("option", name="Batch norm").click()
    button(page, "Train try 1").click()
    expect(page.get_by_text("Goal reached.")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Learning rate").last).to_be_visible()
    button(page, "Next: checkpoint").click()
    answer = page.get_by_role("spinbutton", name="How high is the validation loss")
    answer.fill("50")
    answer.press("Enter")
    expect(page.get_by_text("Not this time.")).to_be_visible()
    page.get_by_text("with batch norm", exact=True).first.click()
    expect(page.get_by_role("heading", name="Lesson finished")).to_be_visible()
    button(page, "All lessons").click()
    expect(page.get_by_text(re.compile("^1 of .* lessons finished"))).to_be_visible()


def test_a_curve_is_drawn_with_the_keyboard_on_a_phone(shared_site, visitor):
    page = visitor(390, 844, has_touch=True, is_mobile=True).new_page()
    page.goto(f"{shared_site.url}lessons?lesson=dropout&step=2")
    shape = button(page, "falls, then rises")
    shape.focus()
    page.keyboard.press("Enter")
    expect(shape).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("1 of 2 still to predict")).to_be_visible()
    expect(page.locator("svg.plot")).to_have_attribute(
        "aria-label", re.compile("Validation loss by epoch. Your curve begins")
    )
    page.reload()
    expect(button(page, "falls, then rises")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
