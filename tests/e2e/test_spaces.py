"""Sharing, as people do it: a project, an invitation, a run that moves there; and a link that is revoked again."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect
from test_journeys import button, no_sideways_scroll, start

from trainer.store import Store

FAST = "?data=two_moons&epochs=3&model.layers=8"


def opened(context, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    return page


def field(page: Page, key: str) -> Locator:
    """The text field of a form, of which the page has several with the same label."""
    return page.locator(f".st-key-{key} input")


def newest_run(site) -> int:
    store = Store(f"sqlite:///{site.home / 'trainscope.db'}")
    run = store.runs(archived=None)[0].id
    store.close()
    return run


def made_link(page: Page) -> str:
    expect(page.get_by_text("Copy the link now")).to_be_visible()
    return page.locator("code").first.inner_text()


def test_a_project_is_made_joined_and_shared(shared_site, visitor):
    url = shared_site.url
    ann = opened(visitor(), url + FAST)
    start(ann)
    expect(ann.get_by_text("Finished").first).to_be_visible()
    ann.get_by_role("link", name="Spaces").click()
    ann.get_by_text("New project").click()
    field(ann, "project-title").fill("<b>Delivery</b> times")
    field(ann, "project-name").fill("Ann")
    button(ann, "Make the project").click()
    expect(ann.get_by_text("Ann (you)")).to_be_visible()
    expect(ann.get_by_role("heading", name="<b>Delivery</b> times")).to_be_visible()
    button(ann, "Make a link").click()
    invitation = made_link(ann)

    bob = opened(visitor(390, 844), invitation)
    expect(bob.get_by_text("As a member, you may train in it")).to_be_visible()
    assert no_sideways_scroll(bob)
    field(bob, "join-name").press("Enter")
    expect(bob.get_by_text("use 1 to 40").first).to_be_visible()
    field(bob, "join-name").fill("Bob")
    field(bob, "join-name").press("Enter")
    expect(bob.get_by_text("Your role")).to_be_visible()
    space = bob.url.split("space=")[1]

    ann.goto(f"{url}runs?space={'0' * 16}")
    expect(ann.get_by_text("You are not a member of the space")).to_be_visible()
    run = newest_run(shared_site)
    ann.goto(f"{url}runs?run={run}")
    ann.get_by_text("Share, move or copy").click()
    button(ann, "Make a link for everybody").click()
    public = made_link(ann)
    eve = opened(visitor(), public)
    expect(eve.get_by_text("Somebody has opened this run to you")).to_be_visible()
    expect(button(eve, "Delete")).to_be_disabled()
    expect(eve.locator(".js-plotly-plot").first).to_be_visible()
    button(ann, "Revoke").click()
    expect(button(ann, "Revoke")).to_have_count(0)
    eve.reload()
    expect(eve.get_by_text("does not hold any more")).to_be_visible()

    button(ann, "Move").click()
    expect(ann.get_by_text("Moved.")).to_be_visible()
    bob.goto(f"{url}runs?run={run}")
    expect(bob.get_by_text("Another member of this space started this run")).to_be_visible()
    bob.wait_for_url(f"**/runs?*space={space}*")
    assert no_sideways_scroll(bob)

    ann.goto(f"{url}spaces?space={space}")
    ann.get_by_text("Limits", exact=True).click()
    steps = ann.get_by_role("spinbutton", name="Steps of a run")
    steps.fill("2")
    steps.press("Enter")
    expect(ann.get_by_text("A run may take 2 steps")).to_be_visible()
    bob.goto(f"{url}{FAST}&space={space}")
    expect(bob.get_by_text("steps, and a run may take 2 here")).to_be_visible()
    assert no_sideways_scroll(bob)
