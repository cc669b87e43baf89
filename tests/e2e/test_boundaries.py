"""The decision boundaries beside the loss on Train, in a real browser, while real runs train. Every wait is for a condition."""

from __future__ import annotations

import math
import re

from playwright.sync_api import Page, expect
from test_health import SLOW
from test_journeys import button, chart, legend, no_sideways_scroll, start, status, wait_for_step
from test_own_data import upload


def boundaries(page: Page):
    return page.get_by_test_id("boundaries").locator("figure")


def wait_for_another_picture(page: Page) -> None:
    """Until every boundary that is shown now has changed."""
    sums = page.evaluate(f"{SUMS}()")
    assert sums
    page.wait_for_function(f"before => {SUMS}().every((sum, i) => sum && sum !== before[i])", arg=sums)


SUMS = "(() => [...document.querySelectorAll('[data-testid=boundaries] canvas')].map(canvas => canvas.dataset.sum))"


def box(locator):
    found = locator.bounding_box()
    assert found, "it is shown"
    return found


def test_two_boundaries_move_beside_the_loss(shared_site, visitor):
    page = visitor().new_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url) if "/api/live" in socket.url else None)
    page.goto(shared_site.url + SLOW)
    expect(button(page, "Start")).to_be_enabled()
    expect(boundaries(page)).to_have_count(0)
    start(page)
    expect(boundaries(page)).to_have_count(1)
    expect(boundaries(page)).to_contain_text(re.compile(r"Decision boundary · epoch \d+"))
    wait_for_another_picture(page)
    page.get_by_text("Batch norm", exact=True).click()
    expect(page.get_by_text("Next run changes")).to_be_visible()
    start(page)
    expect(status(page)).to_contain_text("Batch norm")
    expect(status(page)).to_contain_text("Training")
    expect(boundaries(page)).to_have_count(2)
    expect(page.get_by_test_id("boundaries").locator("canvas")).to_have_count(2)
    wait_for_another_picture(page)
    names = boundaries(page).locator("figcaption")
    assert names.all_inner_texts() == legend(page).all_inner_texts()
    expect(legend(page).nth(1)).to_have_attribute(
        "title", re.compile("^Hide this run: Batch norm, .*Slow motion 60$")
    )
    expect(boundaries(page).nth(1).get_by_role("img")).to_have_attribute(
        "aria-label",
        re.compile(
            r"^Decision boundary of Run 2 · Batch norm\b.*\. After epoch \d+: the plane is \d+% blue, \d+% orange"
        ),
    )
    loss, (first, second) = box(chart(page)), (box(boundaries(page).nth(i)) for i in range(2))
    assert first["y"] == second["y"], "side by side"
    assert first["x"] + first["width"] <= second["x"]
    assert loss["x"] + loss["width"] <= first["x"], "beside the loss"
    assert first["y"] < loss["y"] + loss["height"]
    assert len(sockets) == 1

    legend(page).first.click()  # who hides a run hides its boundary
    expect(boundaries(page)).to_have_count(1)
    expect(names).to_contain_text("Batch norm")
    legend(page).first.click()
    expect(boundaries(page)).to_have_count(2)
    wait_for_another_picture(page)


def test_a_boundary_survives_a_visit_to_health_and_a_broken_connection(shared_site, visitor):
    page = visitor().new_page()
    page.goto(shared_site.url + SLOW)
    start(page)
    expect(boundaries(page).locator("canvas")).to_have_count(1)
    page.get_by_role("link", name="Health", exact=True).first.click()
    expect(page.get_by_test_id("health-decision").locator("canvas")).to_be_visible()
    page.wait_for_function(
        "document.querySelector('[data-testid=health-gradients] .ts-plot')?.data[0].x.length > 0"
    )
    page.get_by_role("link", name="Train", exact=True).first.click()
    expect(boundaries(page).locator("canvas")).to_have_count(1)
    wait_for_another_picture(page)
    page.evaluate("window.__trainscopeFeed.socket.socket.close(4000)")
    wait_for_another_picture(page)


def test_under_the_loss_on_a_phone_and_nowhere_on_other_data(shared_site, visitor):
    page = visitor(390, 844).new_page()
    page.goto(shared_site.url + SLOW)
    start(page)
    expect(boundaries(page).locator("canvas")).to_have_count(1)
    loss, boundary = box(chart(page)), box(boundaries(page))
    assert boundary["y"] >= loss["y"] + loss["height"]
    assert boundary["y"] < box(chart(page, "metric"))["y"]
    assert no_sideways_scroll(page)
    page.goto(shared_site.url + "?pace=60&epochs=3")  # digits, which hide the run on other data
    start(page)
    wait_for_step(page, 60)
    expect(page.get_by_test_id("boundaries")).to_have_count(0)


def test_own_table_with_two_columns(shared_site, visitor):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}data?epochs=100")
    rows = [(math.cos(i), math.sin(i), "north" if math.sin(i) > 0 else "south") for i in range(200)]
    lines = ["east,up,side", *(f"{x:.4f},{y:.4f},{side}" for x, y, side in rows)]
    upload(page, "compass.csv", "\n".join(lines).encode())
    button(page, "Use it").click()
    expect(page.get_by_text("The sidebar trains on this file.")).to_be_visible()
    page.get_by_role("link", name="Go to Train").click()
    start(page)
    expect(boundaries(page).locator("canvas")).to_have_count(1)
    expect(boundaries(page)).to_contain_text("north")
