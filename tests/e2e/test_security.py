"""The pages under the content security policy: the browser's console complains about nothing (see `Complaints`)."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect
from test_journeys import button, chart, start, wait_for_step
from waiting import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PAGES = ("data", "experiments", "lr-finder", "runs", "reference")


def test_pages_work_under_their_policy(shared_site, visitor):
    page = visitor(bypass_csp=False).new_page()
    answer = page.goto(f"{shared_site.url}health")
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    for path in PAGES:
        page.get_by_test_id("stSidebarNavItems").locator(f"a[href$='/{path}']").click()
        page.wait_for_url(f"**/{path}*")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("answers under any name")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_each_address_sends_the_policy(shared_site, path):
    with urllib.request.urlopen(f"{shared_site.url}{path}") as answer:
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_a_run_is_drawn_under_the_policy(shared_site, visitor):
    page = visitor(bypass_csp=False).new_page()
    page.goto(f"{shared_site.url}?epochs=20")
    page.get_by_text("Before step 1: activations").click()
    expect(page.locator(".st-key-before-fresh .js-plotly-plot").first).to_be_visible()
    start(page)
    wait_for_step(page, 20)
    expect(chart(page)).to_be_visible()
    button(page, "Copy link").click()
    expect(button(page, "Copied")).to_be_visible()
    page.get_by_role("link", name="Health", exact=True).first.click()
    expect(page.locator(".js-plotly-plot, canvas").first).to_be_visible()


def test_a_long_message_is_cut_off_under_the_whole_server(shared_site):
    """Behind all of Streamlit's middleware, too, before a token was sent and before the message has ended."""

    def endless():
        for _ in range(3):
            yield "x" * 40_000
        with contextlib.suppress(ConnectionClosed):
            socket.recv(PATIENCE)  # the server ends it, not the message

    with connect(f"{shared_site.url.replace('http', 'ws', 1)}api/live") as socket:
        with contextlib.suppress(ConnectionClosed):
            socket.send(endless())
        with contextlib.suppress(ConnectionClosed):
            socket.recv(PATIENCE)
        assert socket.close_code == 1009


def test_readiness_follows_the_supervisor(shared_site, visitor):
    page = visitor(bypass_csp=False).new_page()
    page.goto(shared_site.url)
    start(page)
    wait_for_step(page, 1)  # so a supervisor is ready
    with urllib.request.urlopen(f"{shared_site.url}api/ready") as answer:
        assert json.load(answer) == {"status": "ok"}


def test_what_strangers_may_send_a_page_is_limited(shared_site):
    """Streamlit's own limit is that of what it sends, 32 MB."""
    with connect(
        f"{shared_site.url.replace('http', 'ws', 1)}_stcore/stream", subprotocols=["streamlit"]
    ) as socket:
        with contextlib.suppress(ConnectionClosed):
            socket.send(b"x" * 1_000_001)
            for _ in socket:  # what the server had sent before
                pass
        assert socket.close_code == 1009


def test_metrics_are_not_told(shared_site):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{shared_site.url}_stcore/metrics")
    assert caught.value.code == 404
