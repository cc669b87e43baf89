"""One reader of the store for all tabs: as new as a tab needs, and at a cost that does not depend on the queue."""

import pytest
import sqlalchemy as sa
from page_testing import VISITOR, text_of

from pages.server.live_runs import LiveRuns, live_runs
from pages.widgets import run_polling
from trainer.config import RunConfig
from trainer.engine.lr_finder import NAME, finder_config
from trainer.spaces import SpaceKind
from trainer.store import COMMAND_LINE, Store


@pytest.fixture
def live(lab) -> LiveRuns:
    return LiveRuns(lab.store)


def states(live: LiveRuns, store: Store, *owners: str) -> dict[int, str]:
    return {run.id: run.status.value for run in live.of(owners, at_least=store.change_stamp())}


def test_it_follows_whatever_happens_to_a_run(lab, live):
    store = lab.store
    first = store.create_run({}, "ann")
    assert states(live, store, "ann") == {first: "queued"}
    second, other = store.create_run({}, "ann"), store.create_run({}, "bob")
    attempt = store.claim(first)
    assert states(live, store, "ann") == {first: "running", second: "queued"}
    assert states(live, store, "bob") == {other: "queued"}
    store.finish(first, attempt, "finished")
    store.request(second, "pause", by="ann")
    assert states(live, store, "ann", "bob") == {second: "paused", other: "queued"}
    store.delete(second, by="ann")
    assert states(live, store, "ann") == {}
    third = store.create_run({}, "ann", status="running")
    assert states(live, store, "ann", "nobody") == {third: "running"}


def test_a_run_that_moves_is_followed_in_its_new_space_alone(lab, live):
    store = lab.store
    run = store.create_run({}, "ann")
    space = store.create_space(SpaceKind.PROJECT, "Deliveries", by="ann", name="Ann")
    assert states(live, store, "ann") == {run: "queued"}
    store.acting_for("ann", space).move_run(run, by="ann")
    assert states(live, store, "ann") == {}
    assert states(live, store, space) == {run: "queued"}
    store.request(run, "stop", by="ann")
    assert states(live, store, "ann", space) == {}


def statements(store: Store) -> list[str]:
    """What is sent to the database from now on."""
    sent: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *call: sent.append(call[2]))
    return sent


def test_many_tabs_read_one_answer(lab, live, monkeypatch):
    lab.store.create_run({}, "ann")
    live.of(["ann"])
    monkeypatch.setattr("pages.server.live_runs.MAX_AGE", 3600)
    sent = statements(lab.store)
    for number in range(30):
        assert live.of([f"visitor {number}"]) == []
    assert len(live.of(["ann"])) == 1
    assert sent == []
    lab.store.create_run({}, "ann")
    stamp, seen = lab.store.change_stamp(), len(sent)
    assert len(live.of(["ann"])) == 1, "an answer of a moment ago is good enough"
    assert len(sent) == seen
    assert len(live.of(["ann"], at_least=stamp)) == 2, "unless the page knows better"


def test_a_look_reads_only_what_has_changed(lab, live, monkeypatch):
    """The rows that a look brings into this process do not grow with the queue."""
    for number in range(50):
        lab.store.create_run({}, f"visitor {number % 7}")
    live.of(["ann"])
    mine = lab.store.create_run({}, "ann")
    read = []
    original = Store.changed_since
    monkeypatch.setattr(
        Store, "changed_since", lambda self, version: read.append(original(self, version)) or read[-1]
    )
    monkeypatch.setattr(Store, "_select", lambda *_: pytest.fail("a look reads the whole queue"))
    assert [run.id for run in live.of(["ann"], at_least=lab.store.change_stamp())] == [mine]
    assert [[run.id for run in changes.runs] for changes in read] == [[mine]]


def test_each_waits_for_its_turn(lab, live, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_MAX_WORKERS", "2")
    monkeypatch.setattr(Store, "supervisor_status", lambda self: "ready")
    for _ in range(2):
        run = lab.store.create_run(RunConfig(), COMMAND_LINE, status="running")
        lab.store.record(run, 1, progress={"step": 0, "total_steps": 400, "steps_per_s": 10.0})
    first, second = (lab.store.create_run(RunConfig(), VISITOR) for _ in range(2))
    queue = live.queue()
    assert (
        queue.reason([second])
        == "Waiting: both workers are busy, so runs take turns; next in line, about 20 s."
    )
    assert queue.reason([first]).startswith("Waiting: both workers are busy; place 2, about ")
    assert queue.reason([second, first]) in text_of(lab.open())


def test_a_run_under_way_that_the_page_does_not_show_is_no_reason_to_draw_it_again(lab, monkeypatch):
    """The LR finder shows a test alone, and the Train page everything but tests: neither may rerun without end."""
    monkeypatch.setattr(run_polling.st, "rerun", lambda **_: pytest.fail("the page is drawn again"))
    lab.store.create_run(finder_config(RunConfig(), 1e-4, 1.0, 50), VISITOR, name=NAME)
    archived = lab.store.create_run(RunConfig(), VISITOR)
    lab.store.archive(archived, by=VISITOR)
    lab.store.create_run(RunConfig(seed=1), VISITOR)
    app = lab.open()
    for page in ("", "lr-finder", "health", "runs"):
        assert not lab.go(app, page).exception, page


def test_a_run_that_changes_is_drawn_again(lab, monkeypatch):
    run = lab.store.create_run(RunConfig(), VISITOR)
    app = lab.open()
    drawn = []
    monkeypatch.setattr(run_polling.st, "rerun", lambda **_: drawn.append(1))
    app.run()
    assert drawn == []
    original = Store.runs

    def runs(self, *arguments):
        found = original(self, *arguments)
        self.claim(run)  # just after the page has read its runs
        return found

    monkeypatch.setattr(Store, "runs", runs)
    app.run()
    assert drawn


def test_the_server_has_one_reader(lab):
    assert live_runs() is live_runs()
