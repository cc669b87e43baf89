"""Branching a run, as a person does it: stop it, change a knob at its last checkpoint, and watch the curve fork."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from test_journeys import button, no_sideways_scroll, start, wait_for_step

RATES = "name => document.querySelector('[data-testid=live-chart-lr]').data.filter(t => t.name?.startsWith(name))[0]"


def test_a_curve_forks_where_a_person_branches_it(shared_site, visitor):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}?pace=40&epochs=1000")
    start(page)
    wait_for_step(page, 60)
    button(page, "Stop").first.click()
    expect(page.get_by_text("Stopped").first).to_be_visible()
    page.get_by_text("Checkpoints", exact=True).click()
    form = page.locator("[class*='st-key-branch-']")
    field = form.get_by_label("Learning rate", exact=True)
    field.fill("0.02")
    field.press("Enter")
    expect(page.locator(".tp-chip", has_text="Learning rate 0.001 → 0.02")).to_be_visible()
    button(page, "Branch from here").click()
    there = page.get_by_role("link", name=re.compile(r"Run 2 branched here at step \d+"))
    expect(there).to_be_visible()
    step = int(re.search(r"(\d+)$", there.inner_text())[1])
    page.wait_for_function(f"({RATES})('Run 2')?.x.length > 3")
    page.wait_for_function(f"({RATES})('Run 1')?.x.length > 3")
    rates = page.evaluate(RATES, "Run 2")
    assert min(rates["x"]) == step + 1
    assert all(abs(rate - 0.02) < 1e-6 for rate in rates["y"])
    page.set_viewport_size({"width": 390, "height": 844})
    assert no_sideways_scroll(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("link", name=f"Branched from Run 1 at step {step}").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=f"Run 2 branched here at step {step}")).to_be_visible()
