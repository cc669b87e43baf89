"""A class, as people hold it: a room, its code on the projector, a student who joins by phone, and the end."""

from __future__ import annotations

from playwright.sync_api import expect
from test_journeys import button, no_sideways_scroll, start, status, wait_for_step
from test_spaces import field, opened


def test_a_class_joins_by_code_and_the_teacher_stops_it(shared_site, visitor):
    url = shared_site.url
    teacher = opened(visitor(1280, 720), url + "spaces")
    teacher.get_by_text("New room", exact=True).click()
    field(teacher, "room-title").fill("Monday")
    field(teacher, "room-name").fill("Ms Lee")
    field(teacher, "room-name").press("Enter")
    expect(teacher.get_by_role("heading", name="Monday")).to_be_visible()
    code = teacher.locator(".tp-code").inner_text().replace(" ", "")
    button(teacher, "Show the code").click()
    shown = teacher.get_by_role("dialog")
    expect(shown.get_by_alt_text("QR code of the address below")).to_be_visible()
    address = shown.locator("p").last.inner_text()
    assert address.endswith(f"spaces?room={code}")
    assert shown.locator(".tp-code").bounding_box()["height"] > 60, "legible from the last row"
    teacher.keyboard.press("Escape")

    student = opened(
        visitor(390, 844, has_touch=True, is_mobile=True), f"http://{address}&pace=60&epochs=1000"
    )
    expect(field(student, "room-code")).to_have_value(code)
    assert no_sideways_scroll(student)
    field(student, "room-nickname").fill("<i>Max</i>")
    field(student, "room-nickname").press("Enter")
    start(student)
    wait_for_step(student, 20)

    teacher.reload()
    teacher.get_by_text("Members and links").click()
    expect(teacher.get_by_text("<i>Max</i>", exact=True)).to_be_visible()
    button(teacher, "Hide name").click()
    expect(teacher.get_by_text("Guest 1", exact=True)).to_be_visible()
    button(teacher, "Stop all runs").click()
    expect(status(student)).to_contain_text("Stopped")
    button(teacher, "End").click()
    button(teacher, "End the room").click()
    expect(teacher.get_by_text("Ended")).to_be_visible()
    button(student, "Start").click()
    expect(student.get_by_text("This room has ended").first).to_be_visible()
