"""A search as a visitor makes it: knobs picked, trials trained, the winner's knobs taken and compared over fresh seeds."""

from __future__ import annotations

from playwright.sync_api import expect


def test_search_take_and_compare(shared_site, visitor):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}experiments?data=two_moons&data.samples=60&model.layers=8&epochs=3")
    knobs = page.get_by_role("combobox", name="Knobs to vary")
    for name in ("Dropout rate", "Learning rate"):
        knobs.fill(name)
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    rate = page.get_by_role("textbox", name="Learning rate")
    expect(rate).to_have_value("0.0001..0.01 log")
    rate.fill("0.01, 0.1")
    rate.press("Enter")
    page.get_by_role("spinbutton", name="Trials").fill("3")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Search: 3 trials").first.click()
    expect(page.get_by_text("3 of 3 trials over: 3 finished.")).to_be_visible()
    expect(page.get_by_text("The best of 3 trials is partly luck")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Take these knobs").click()
    expect(page.get_by_role("spinbutton", name="Learning rate")).not_to_have_value("0.001")
    page.get_by_role("button", name="Compare the winner with the baseline").click()
    expect(
        page.get_by_text("It takes at least 6 seeds").or_(page.get_by_text("12 runs")).first
    ).to_be_visible()
    expect(page.get_by_role("heading", name="Is it luck?")).to_be_visible()
