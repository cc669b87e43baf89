"""A person's own data, in a real browser: a table becomes a run, and hostile files become one sentence."""

from __future__ import annotations

import own_files
from playwright.sync_api import Page, expect
from test_journeys import button, no_sideways_scroll, start, wait_for_address, wait_for_step


def upload(page: Page, name: str, data: bytes) -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def test_a_table_from_upload_to_curve_and_again_by_link(shared_site, visitor):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}data?epochs=30")
    expect(page.get_by_text("No files yet")).to_be_visible()
    upload(page, "people.csv", own_files.csv_bytes(200))
    expect(page.get_by_text("Columns, and what will be done to them")).to_be_visible()
    expect(page.get_by_role("row", name="1 id numbers")).to_contain_text("looks like an identifier")
    button(page, "Use it").click()
    expect(page.get_by_text("The sidebar trains on this file.")).to_be_visible()
    wait_for_address(page, **{"data.target": "member"})
    page.get_by_role("link", name="Go to Train").click()
    start(page)
    wait_for_step(page, 20)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    digest = page.evaluate("new URLSearchParams(location.search).get('data.file')")
    other = visitor().new_page()  # somebody else, with the link
    other.goto(
        f"{shared_site.url}?data=csv&data.file={digest}&data.target=income&data.task=regression&data.leave_out=1&epochs=30"
    )
    expect(
        other.get_by_text("belongs to someone else")
    ).to_be_visible()  # a link shares the knobs, not the file
    expect(button(other, "Start")).to_be_disabled()
    other.get_by_role("link", name="Go to Your data", exact=True).click()
    expect(other.get_by_text("No files yet")).to_be_visible()
    upload(other, "the same.csv", own_files.csv_bytes(200))
    expect(other.get_by_text("The sidebar trains on this file.")).to_be_visible()
    other.get_by_role("link", name="Go to Train").click()
    start(other)
    expect(other.get_by_text("Test error")).to_be_visible()


def test_images_by_folder_on_a_phone(shared_site, visitor):
    page = visitor(390, 844, color_scheme="dark").new_page()
    page.goto(f"{shared_site.url}data")
    upload(page, "pictures.zip", own_files.zip_bytes(own_files.image_files()))
    expect(page.get_by_alt_text("8 samples of bright")).to_be_visible()
    assert no_sideways_scroll(page)
    button(page, "Use it").click()
    page.get_by_role("link", name="Go to Train").click()
    start(page)
    wait_for_step(page, 10)


def test_hostile_files_become_a_sentence_and_the_server_lives_on(shared_site, visitor):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}data")
    files = {
        "slip.zip": (own_files.zip_bytes({"../../evil.png": b"x"}), "leads out of its folder"),
        "bomb.zip": (own_files.zip_bytes({"a/x.png": bytes(19_000_000)}), "times its packed size"),
        "junk.csv": (bytes(range(256)) * 100, "null bytes"),
    }
    for name, (data, words) in files.items():
        upload(page, name, data)
        expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
        button(page, "Dismiss").click()
        expect(page.get_by_role("alert").filter(has_text=words)).to_have_count(0)
    rows = b"\n".join(b"%d,%d,%d" % (n * 7 % 50, n % 5, n % 3) for n in range(60))
    upload(page, "<i>x</i>.csv", b"<img src=x onerror=document.title='owned'>,<b>bold</b>,class\n" + rows)
    expect(page.get_by_role("rowheader", name="<b>bold</b>")).to_be_visible()
    expect(page.get_by_role("rowheader", name="<img src=x")).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    assert page.title() != "owned"
    button(page, "Delete").click()
    button(page, "Delete for good").click()
    expect(page.get_by_text("No files yet")).to_be_visible()
    assert not list((shared_site.home / "uploads" / "incoming").iterdir())
