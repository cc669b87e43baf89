"""The first page of a cold server comes before the supervisor's imports, and runs that wait come before the page."""

import asyncio

import pytest

from pages.server import first_page
from pages.server.first_page import FirstPage
from pages.server.supervisor_process import SupervisorProcess
from trainer.config import RunConfig
from trainer.store import COMMAND_LINE, Store


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/trainscope.db")
    yield store
    store.close()


def test_nobody_is_waited_for_for_long(monkeypatch):
    monkeypatch.setattr(first_page, "MAX_ABSENCE", 0.0)
    asyncio.run(FirstPage().over())


def test_a_visitor_who_has_asked_is_waited_for_until_the_page_is_drawn(monkeypatch):
    monkeypatch.setattr(first_page, "MAX_ABSENCE", 0.0)
    monkeypatch.setattr(first_page, "MAX_DRAWING", float("inf"))

    async def visit():
        page = FirstPage()
        page.asked = True
        waiting = asyncio.create_task(page.over())
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        page.drawn = True
        await waiting

    asyncio.run(visit())


def test_a_script_that_never_ends_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(first_page, "MAX_DRAWING", 0.0)
    page = FirstPage()
    page.asked = True
    asyncio.run(page.over())


def started(monkeypatch, store) -> list[str]:
    """What happens before the supervisor is launched, and its launch."""
    events = []

    async def first():
        events.append("page")

    async def launch():
        events.append("supervisor")
        raise asyncio.CancelledError

    process = SupervisorProcess(store, first)
    monkeypatch.setattr(SupervisorProcess, "_launch", staticmethod(launch))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(process._keep_running())
    return events


def test_the_supervisor_starts_after_the_first_page(monkeypatch, store):
    paused = store.create_run(RunConfig(), COMMAND_LINE)
    store.request(paused, "pause", by=COMMAND_LINE)
    assert started(monkeypatch, lambda: store) == ["page", "supervisor"]


def test_runs_that_wait_come_first(monkeypatch, store):
    store.create_run(RunConfig(), COMMAND_LINE)
    assert started(monkeypatch, lambda: store) == ["supervisor"]


def test_a_database_that_does_not_answer_is_no_reason_to_hurry(monkeypatch, store):
    answers = iter([RuntimeError("no database"), store])

    def opened():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert started(monkeypatch, opened) == ["page", "supervisor"]
