"""What the Health page is told: everything once, thinned without losing alarms, over the one WebSocket."""

from __future__ import annotations

import asyncio
import json
import math
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import engine_runs
import numpy as np
import pytest
from engine_runs import SMALL
from test_api import Server, go
from waiting import until_true

from pages.live import health_feed
from pages.live.hub import TICK
from pages.live.viewer import HealthSubscription, Viewer
from trainer.config import RunConfig
from trainer.curves.packing import pack, unpack
from trainer.health.messages import COLUMNS, EPOCHS, Seen, news
from trainer.metrics.registry import columns
from trainer.store import Batch, Store

STEP_COLUMNS, EPOCH_COLUMNS = columns("step"), columns("epoch")

LOOK = ("step", "grad_norm/a", "grad_norm/b", "act_std/a")


@pytest.fixture
def store(tmp_path):
    found = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield found
    found.close()


def begin(store):
    run = store.create_run({}, "me")
    return run, store.claim(run)


def looks(first, last):
    steps = np.arange(first, last, dtype=float)
    return Batch("health", LOOK, np.column_stack([steps, steps / 10, 1 / (1 + steps), steps * 2]))


def steps(first, last, **columns):
    rows = np.full((last - first, len(STEP_COLUMNS)), np.nan)
    rows[:, 0] = np.arange(first, last)
    for name, values in columns.items():
        rows[:, STEP_COLUMNS.index(name)] = values
    return Batch("step", STEP_COLUMNS, rows)


def epochs(first, last, **columns):
    rows = np.full((last - first, len(EPOCH_COLUMNS)), np.nan)
    rows[:, 0] = 10 * np.arange(first, last)
    rows[:, 1] = np.arange(first, last)
    for name, values in columns.items():
        rows[:, EPOCH_COLUMNS.index(name)] = values
    return Batch("epoch", EPOCH_COLUMNS, rows)


def ask(store, run, seen=Seen()):  # noqa: B008 - frozen
    messages, now = news(store, run, seen)
    return [unpack(message) for message in messages], now


def test_a_new_page_is_told_all_and_then_only_what_is_new(store):
    run, attempt = begin(store)
    store.record(run, attempt, [looks(1, 4), steps(1, 9, grad_norm=1.0)])
    ((header, arrays),), seen = ask(store, run)
    assert (header["fresh"], header["columns"]) == (True, list(LOOK[1:]))
    assert arrays["sample_steps"].tolist() == [1, 2, 3]
    wanted = [[step / 10, 1 / (1 + step), step * 2] for step in (1, 2, 3)]
    assert np.array_equal(arrays["samples"], np.array(wanted, dtype=np.float32))
    assert ask(store, run, seen) == ([], seen)
    store.record(run, attempt, [looks(4, 5)])
    ((header, arrays),), seen = ask(store, run, seen)
    assert (header["fresh"], header["columns"], header["steps"]) == (False, 3, 0)
    assert arrays["sample_steps"].tolist() == [4]
    assert seen.sample == 4


def test_a_run_without_anything_is_an_empty_beginning(store):
    run, _ = begin(store)
    ((header, arrays),), seen = ask(store, run)
    assert (header["fresh"], header["columns"], arrays["samples"].shape) == (True, [], (0, 0))
    assert seen.nothing


def test_many_looks_are_thinned_and_keep_their_alarms(store):
    run, attempt = begin(store)
    rows = looks(1, 5001)
    rows.rows[777, 2] = 1e9
    rows.rows[1234, 1] = np.nan
    store.record(run, attempt, [rows])
    ((_, arrays),), seen = ask(store, run)
    assert arrays["samples"].shape == (COLUMNS, 3)
    assert arrays["samples"][:, 1].max() == np.float32(1e9)
    assert np.isnan(arrays["samples"][:, 0]).sum() == 1, "what is not finite is not averaged away"
    assert arrays["sample_steps"][-1] == 5000
    assert arrays["samples"][:, 2].mean() == pytest.approx(2 * 2500.5, rel=0.01)
    assert seen.sample == 5000


def test_histograms_of_pieces_add_up_to_that_of_the_whole(store):
    run, attempt = begin(store)
    norms = np.random.default_rng(0).lognormal(0, 2, 300)
    norms[5], norms[6], norms[7] = 0, math.nan, math.inf
    clipped = (norms > 1).astype(float)
    seen, pieces = Seen(step=0), {}
    for first in range(0, 300, 100):
        part = slice(first, first + 100)
        store.record(
            run, attempt, [steps(first + 1, first + 101, grad_norm=norms[part], clipped=clipped[part])]
        )
        ((header, arrays),), seen = ask(store, run, seen)
        for place, count in zip(arrays["bins"].tolist(), arrays["counts"].tolist(), strict=True):
            pieces[place] = pieces.get(place, 0) + count
        pieces["clipped"] = pieces.get("clipped", 0) + header["clipped"]
        pieces["non_finite"] = pieces.get("non_finite", 0) + header["non_finite"]
    ((header, arrays),), _ = ask(store, run)
    whole = dict(zip(arrays["bins"].tolist(), arrays["counts"].tolist(), strict=True))
    assert {key: value for key, value in pieces.items() if isinstance(key, int)} == whole
    assert sum(whole.values()) == 298
    assert whole[-160] == 1, "a gradient of zero has a place, too"
    assert pieces["non_finite"] == header["non_finite"] == 2
    assert pieces["clipped"] == header["clipped"] == int(clipped.sum()) - 1, (
        "a step that was not taken was not clipped"
    )
    assert header["steps"] == 298
    finite = norms[np.isfinite(norms) & (norms > 0)]
    counts = np.histogram(8 * np.log10(finite), np.arange(-200, 200))[0]
    assert sorted(counts[counts > 0]) == sorted(count for place, count in whole.items() if place > -160)


def test_the_loss_scale_is_told_where_it_changes_and_skipped_steps_by_number(store):
    run, attempt = begin(store)
    scale = np.array([64, 64, 32, 32, 32, 64], dtype=float)
    norm = np.array([1, np.inf, 1, 1, np.nan, 1])
    store.record(run, attempt, [steps(1, 7, loss_scale=scale, grad_norm=norm)])
    ((_, arrays),), _ = ask(store, run)
    assert arrays["scale_steps"].tolist() == [1, 3, 6]
    assert arrays["scales"].tolist() == [64, 32, 64]
    assert arrays["skipped"].tolist() == [2, 5]


def test_a_step_that_the_scaler_skipped_does_not_count_as_clipped(store):
    """Clipping by norm sees an infinite norm in a skipped step, and says that it clipped."""
    config = RunConfig.from_flat({**SMALL, "precision": "fp16", "clipping": "by_norm", "clipping.max_norm": 1000.0,
                                  "initialization": "too_large"})  # fmt: skip
    _, log = engine_runs.go(config)
    norms, clipped = (np.array(log.column(name)) for name in ("grad_norm", "clipped"))
    skipped = ~np.isfinite(norms)
    assert skipped.any()
    run, attempt = begin(store)
    store.record(run, attempt, [steps(1, len(norms) + 1, grad_norm=norms, clipped=clipped)])
    ((header, _),), _ = ask(store, run)
    assert (header["steps"], header["clipped"]) == ((~skipped).sum(), (norms[~skipped] > 1000).sum())


def test_without_a_scaler_a_norm_that_is_not_finite_was_not_skipped(store):
    run, attempt = begin(store)
    store.record(run, attempt, [steps(1, 3, grad_norm=np.nan)])
    ((header, arrays),), _ = ask(store, run)
    assert arrays["skipped"].tolist() == []
    assert (header["non_finite"], header["clipping"]) == (2, False)


def test_of_very_many_epochs_the_best_is_kept(store):
    run, attempt = begin(store)
    losses = np.linspace(2, 1, 3000)
    losses[1777] = 0.5
    store.record(run, attempt, [epochs(1, 3001, val_loss=losses, patience_left=np.arange(3000)[::-1])])
    ((_, arrays),), _ = ask(store, run)
    assert len(arrays["epochs"]) <= EPOCHS
    assert arrays["val_loss"].min() == 0.5
    assert arrays["patience"][-1] == 0
    assert (arrays["epochs"][0], arrays["epochs"][-1]) == (1, 3000)


def test_an_older_runs_epochs_have_no_patience(store):
    run, attempt = begin(store)
    store.record(run, attempt, [Batch("epoch", ("step", "epoch", "val_loss"), np.array([[1.0, 1.0, 0.5]]))])
    ((_, arrays),), _ = ask(store, run)
    assert np.isnan(arrays["patience"]).all()


def test_a_view_is_told_when_it_changes_and_arrives_as_it_was_stored(store):
    run, attempt = begin(store)
    picture = pack({"name": "confusion", "step": 3}, {"counts": np.eye(3, dtype=np.int32)})
    store.record(run, attempt, views={"confusion": (3, picture)})
    messages, seen = news(store, run, Seen(step=0))
    header, _ = unpack(messages[-1])
    assert (header["t"], header["name"]) == ("view", "confusion")
    assert messages[-1].endswith(picture)
    assert news(store, run, seen)[0] == []
    store.record(run, attempt, views={"mistakes": (4, picture)})
    assert [unpack(message)[0]["name"] for message in news(store, run, seen)[0]] == ["mistakes"]


# --- over the socket ---


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("health")) as running:
        yield running


async def told(client, wanted="health"):
    """The next message of a kind, as header and arrays; curves and states that come between are left aside."""
    while True:
        message = await client.next()
        if isinstance(message, str):
            found = json.loads(message)
            if found["t"] == "error":
                return found
        elif kind_of(message) == wanted:
            return unpack(message)


def kind_of(message):
    size = int.from_bytes(message[:4], "little")
    return json.loads(message[4 : 4 + size])["t"]


def test_looks_and_views_come_while_the_run_goes_on(server):
    async def scene():
        run, attempt = server.run()
        server.store.record(run, attempt, [looks(1, 3), steps(1, 3, grad_norm=1.0)])
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run], points=100)
            await client.send(type="health", runs=[{"run": run}])
            header, arrays = await told(client)
            assert (header["run"], header["fresh"], arrays["sample_steps"].tolist()) == (run, True, [1, 2])
            have = arrays["sample_steps"].tolist()
            for first in range(3, 9):
                await asyncio.to_thread(server.store.record, run, attempt, [looks(first, first + 1)])
            while have[-1] < 8:
                header, arrays = await told(client)
                assert not header["fresh"]
                have += arrays["sample_steps"].tolist()
            assert have == [*range(1, 9)]
            picture = pack({"name": "confusion"}, {})
            await asyncio.to_thread(server.store.record, run, attempt, views={"confusion": (8, picture)})
            header, _ = await told(client, "view")
            assert header["name"] == "confusion"

    go(scene())


def test_after_a_broken_connection_only_what_was_missed_comes(server):
    async def scene():
        run, attempt = server.run()
        server.store.record(run, attempt, [looks(1, 6), steps(1, 6, grad_norm=1.0)])
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run], points=100)
            await client.send(type="health", runs=[{"run": run, "seen": {"sample": 3, "step": 5}}])
            header, arrays = await told(client)
            assert (header["fresh"], arrays["sample_steps"].tolist(), header["steps"]) == (False, [4, 5], 0)

    go(scene())


def test_messages_are_no_more_frequent_than_promised(store, monkeypatch):
    """A look every hub's tick for four seconds of a clock that the test turns."""
    now = 1000.0
    monkeypatch.setattr(health_feed, "time", SimpleNamespace(monotonic=lambda: now))
    run, attempt = begin(store)

    async def scene():
        nonlocal now
        viewer, sent, have = Viewer(), [], []
        with ThreadPoolExecutor(1) as readers:
            feed = health_feed.HealthFeed(store, readers)
            feed.subscribe(viewer, [HealthSubscription(run, Seen())])
            for tick in range(1, 45):
                changed = tick <= 40
                if changed:
                    store.record(run, attempt, [looks(tick, tick + 1)])
                feed.wake([viewer], {run} if changed else ())
                if message := await feed.next_message(viewer):
                    sent.append(now)
                    have += unpack(message)[1]["sample_steps"].tolist()
                now += TICK
        return sent, have

    sent, have = go(scene())
    assert have == [*range(1, 41)], "nothing is lost, and what came last is told by itself"
    assert min(np.diff(sent)) >= health_feed.INTERVAL
    assert health_feed.INTERVAL >= 0.2


def test_only_a_subscribed_run_of_ones_own_is_told(server):
    async def scene():
        mine, _ = server.run(3)
        foreign, _ = server.run(3)
        async with server.client(mine) as client:
            for run in (mine, foreign, "1", -1, 2**70, [mine]):
                await client.send(type="health", runs=[{"run": run}])
                assert (await client.answer())["t"] == "error"
            await client.send(type="subscribe", runs=[mine], points=100)
            for seen in ([], {"sample": "3"}, {"sample": -2}, {"view": 1e300}, {"step": True}):
                await client.send(type="health", runs=[{"run": mine, "seen": seen}])
                assert (await told(client))["t"] == "error"
            for runs in (None, mine, [mine], [{}], [{"run": mine, "views": "decision"}], [{"run": mine}] * 5):
                await client.send(type="health", runs=runs)
                assert (await told(client))["t"] == "error"
            await client.send(type="health", runs=[{"run": mine}])
            assert (await told(client))[0]["run"] == mine
            await client.send(type="health", runs=[])
            await client.send(type="ping")

    go(scene())


def test_leaving_a_run_ends_its_health(server):
    async def scene():
        run, attempt = server.run(3)
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run], points=100)
            await client.send(type="health", runs=[{"run": run}])
            await told(client)
            await client.send(type="subscribe", runs=[], points=100)
            await client.send(type="ping")
            while (await client.text())["t"] != "pong":
                pass
            await asyncio.to_thread(server.store.record, run, attempt, [looks(1, 2)])
            polls = server.api.hub.ticks
            await until_true(
                lambda: server.api.hub.ticks > polls + 1
            )  # of which the last began after the change
            await client.send(type="ping")
            assert json.loads(await client.next())["t"] == "pong", "nothing came before it"

    go(scene())


def views_of(run, attempt, server, epoch):
    views = {name: (epoch, pack({"name": name, "epoch": epoch}, {})) for name in ("decision", "confusion")}
    server.store.record(run, attempt, [looks(epoch, epoch + 1)], views=views)


def test_two_runs_tell_of_the_views_asked_for_and_of_nothing_else(server):
    async def scene():
        runs = [server.run(3) for _ in range(2)]
        for run, attempt in runs:
            views_of(run, attempt, server, 1)
        async with server.client(*(run for run, _ in runs)) as client:
            await client.send(type="subscribe", runs=[run for run, _ in runs], points=100)
            wanted = [{"run": run, "views": ["decision"]} for run, _ in runs]
            await client.send(type="health", runs=wanted)
            first = [(await told_of_health(client)) for _ in runs]
            assert sorted(first) == sorted(("view", run, "decision") for run, _ in runs)
            for run, attempt in runs:
                await asyncio.to_thread(views_of, run, attempt, server, 2)
            second = [(await told_of_health(client)) for _ in runs]
            assert sorted(second) == sorted(first)

    go(scene())


async def told_of_health(client):
    """The next message on health, as kind, run and name."""
    while True:
        message = await client.next()
        if isinstance(message, bytes) and kind_of(message) in ("health", "view"):
            header = unpack(message)[0]
            return header["t"], header["run"], header.get("name")


def test_who_asks_again_is_not_given_what_was_read_before_a_change(server):
    """A page that asks again, as it does when a run joins, must not go back to an older picture for good."""

    async def scene():
        run, attempt = server.run(3)
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run], points=100)
            wanted = [{"run": run, "views": ["decision"]}]
            for epoch in range(1, 6):
                await asyncio.to_thread(views_of, run, attempt, server, epoch)
                for _ in range(2):
                    await client.send(type="health", runs=wanted)
                while unpack((await told(client, "view"))[1]["view"].tobytes())[0]["epoch"] < epoch:
                    pass

    go(scene())
