"""Changing a knob of a run while it trains, as a person does it: in slow motion, with an eye on the charts."""

from __future__ import annotations

from playwright.sync_api import expect
from test_journeys import button, chart, no_sideways_scroll, start, wait_for_step

SHAPES = "name => document.querySelector(`[data-testid=live-chart-${name}]`)?.layout?.shapes ?? []"
RATES = (
    "() => document.querySelector('[data-testid=live-chart-lr]').data.filter(t => t.name !== 'planned')[0]"
)


def test_the_learning_rate_jumps_where_a_person_changes_it(shared_site, visitor):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}?pace=40&epochs=1000")
    start(page)
    wait_for_step(page, 20)
    page.get_by_text("Change knobs now").click()
    controls = page.locator("[class*='st-key-change-']")
    field = controls.get_by_label("Learning rate", exact=True)
    expect(button(page, "Apply")).to_be_disabled()
    field.fill("0.02")
    field.press("Enter")
    expect(controls.locator(".tp-chip")).to_have_text("Learning rate 0.001 → 0.02")
    button(page, "Apply").click()
    expect(page.get_by_text("Changed at step")).to_be_visible()
    expect(page.get_by_text("changed while training").first).to_be_visible()
    for name in ("loss", "lr"):  # every chart has the line
        page.wait_for_function(f"(({SHAPES})('{name}')).length === 1")
    (shape,) = page.evaluate(SHAPES, "lr")
    step = shape["x0"]
    assert f"Changed at step {step:,}" in page.get_by_text("Changed at step").inner_text()
    assert shape["label"]["text"] == "Learning rate 0.02"
    page.wait_for_function(f"step => Math.max(...({RATES})().x) > step", arg=step)
    rates = page.evaluate(RATES)
    by_step = dict(zip(rates["x"], rates["y"], strict=True))
    assert all(abs(rate - (0.001 if at <= step else 0.02)) < 1e-6 for at, rate in by_step.items())
    expect(chart(page, "lr").locator("xpath=ancestor::figure")).to_contain_text(
        f"Learning rate 0.02 from step {step}."
    )
    page.set_viewport_size({"width": 390, "height": 844})
    assert no_sideways_scroll(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("radio", name="Epoch").check()
    page.wait_for_function(f"(({SHAPES})('lr'))[0]?.x0 < {step}")
    page.reload()  # drawn again from the record
    page.wait_for_function(f"(({SHAPES})('lr')).length === 1")
