"""The live WebSocket and its neighbours, over a real server: rights, hostile clients, and never a missing point."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket as sockets
import stat
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from waiting import PATIENCE, until, until_true
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pages.live import client_messages as codes
from pages.live.connection import PROTOCOL
from pages.live.hub import Hub
from pages.live.limits import MAX_PER_OWNER, Slots
from pages.live.routes import Api
from pages.live.tokens import LIFETIME, TokenError, Tokens, page_token, read_secret
from pages.live.viewer import Viewer
from pages.server import assets
from pages.server.assets import assets_version
from pages.server.plotly_script import VERSION
from pages.server.visitor import VisitorCookie, known_visitor
from trainer.curves.messages import decode
from trainer.metrics.registry import columns
from trainer.spaces import Role, SpaceKind
from trainer.store import Batch, Store

STEP_COLUMNS = columns("step")


class Server:
    """A store and a server on a free port, in a thread of this process."""

    def __init__(self, folder):
        self.store = Store(f"sqlite:///{folder / 'a.db'}")
        self.tokens = Tokens("secret")
        self.ready = True
        self.api = Api(
            lambda: self.store,
            lambda: self.tokens,
            lambda: self.ready,
        )
        with sockets.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        app = VisitorCookie(Starlette(routes=[*self.api.routes(""), *assets.routes("")]))
        config = uvicorn.Config(
            app, port=self.port, log_level="error", ws="websockets-sansio", lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        until(lambda: self.server.started, "the server did not start")
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(10)
        self.store.close()

    def run(self, steps=0, owner="me"):
        run = self.store.create_run({}, owner)
        attempt = self.store.claim(run)
        if steps:
            self.add(run, attempt, 0, steps)
        return run, attempt

    def add(self, run, attempt, first, last):
        rows = np.ones((last - first, len(STEP_COLUMNS)))
        rows[:, 0] = np.arange(first, last)
        self.store.record(run, attempt, [Batch("step", STEP_COLUMNS, rows)], {"step": last})

    @contextlib.asynccontextmanager
    async def client(self, *runs, token=None, **options):
        async with connect(f"ws://127.0.0.1:{self.port}/api/live", max_size=None, **options) as ws:
            client = Client(ws)
            await client.send(type="auth", protocol=PROTOCOL, token=token or self.tokens.issue("me", runs))
            assert (await client.text())["t"] == "ready"
            yield client

    def get(self, path, **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()


class Client:
    """A page's side of the socket; keeps what it has seen of each run."""

    def __init__(self, ws):
        self.ws = ws
        self.steps = {}
        self.statuses = {}
        self.rows = {}

    async def send(self, **message):
        await self.ws.send(json.dumps(message))

    async def next(self):
        return await asyncio.wait_for(self.ws.recv(), PATIENCE)

    async def text(self):
        while isinstance(message := await self.next(), bytes):
            self.take(message)
        return json.loads(message)

    async def answer(self):
        while (told := await self.text())["t"] == "status":
            self.statuses[told["run"]] = told["status"]
        return told

    async def binary(self, kind):
        while True:
            message = await self.next()
            if isinstance(message, str):
                told = json.loads(message)
                self.statuses[told.get("run")] = told.get("status")
            elif decode(message)[0]["t"] == kind:
                self.take(message)
                return decode(message)

    def take(self, message):
        header, segments = decode(message)
        if header["t"] == "range":
            return
        for segment in segments:
            if segment.kind == "step":
                known = self.steps.setdefault(segment.run, [])
                assert header["t"] == "snapshot" or segment.after == (known[-1] if known else -1), "a gap"
                if header["t"] == "snapshot":
                    known.clear()
                    self.rows[segment.run] = 0
                self.rows[segment.run] = self.rows.get(segment.run, 0) + segment.rows
                known.extend(next((s.steps.tolist() for s in segment.series if s.name == "loss"), []))

    async def reach(self, run, step):
        while not self.steps.get(run) or self.steps[run][-1] < step:
            message = await self.next()
            if isinstance(message, bytes):
                self.take(message)
            else:
                self.statuses[run] = json.loads(message).get("status")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("live")) as running:
        yield running


def go(coroutine):
    return asyncio.run(coroutine)


async def closed_with(ws):
    try:
        while True:
            await asyncio.wait_for(ws.recv(), PATIENCE)
    except ConnectionClosed as closed:
        return closed.rcvd.code


# --- curves ------------------------------------------------------------------------------------------------------


def test_a_snapshot_then_deltas_without_a_gap(server):
    async def scene():
        run, attempt = server.run(50)
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run], points=2000)
            await client.reach(run, 49)
            for first in range(50, 150, 20):
                await asyncio.to_thread(server.add, run, attempt, first, first + 20)
                await client.reach(run, first + 19)
            assert client.rows[run] == 150
            assert client.statuses[run] == "running"

    go(scene())


def test_a_runs_state_comes_before_its_curves(server):
    """How far a curve is smoothed depends on the run's length: drawn without it, every reload would flicker."""

    async def scene():
        for _ in range(5):  # each time a run that nobody has watched
            run, _ = server.run(50)
            async with server.client(run) as client:
                await client.send(type="subscribe", runs=[run], points=2000)
                first = await client.next()
                assert isinstance(first, str)
                assert json.loads(first)["t"] == "status"

    go(scene())


def test_the_end_of_a_run_is_told_and_its_last_points_come(server):
    async def scene():
        run, attempt = server.run(10)
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run])
            await client.reach(run, 9)
            await asyncio.to_thread(server.add, run, attempt, 10, 20)
            await asyncio.to_thread(server.store.finish, run, attempt, "failed", None, "It broke.")
            await client.reach(run, 19)
            while (told := await client.text())["status"] != "failed":
                pass
            assert told["error"] == "It broke."

    go(scene())


def test_resync_by_cursor_sends_only_what_was_missed(server):
    async def scene():
        run, _ = server.run(100)
        async with server.client(run) as client:
            client.steps[run] = list(range(90))
            await client.send(type="subscribe", runs=[run], cursors={str(run): {"step": 89}})
            _, segments = await client.binary("delta")
            assert [(f.after, f.to) for f in segments] == [(89, 99)]
            await client.send(type="resync", run=run, cursors={"step": 97})
            client.steps[run] = client.steps[run][:98]
            _, segments = await client.binary("delta")
            assert [(f.after, f.to) for f in segments] == [(97, 99)]

    go(scene())


def test_a_range_comes_back_in_detail_with_its_id(server):
    async def scene():
        run, _ = server.run(5000)
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run], points=100)
            header, segments = await client.binary("snapshot")
            assert max(len(s.steps) for f in segments for s in f.series) <= 100
            await client.send(type="range", id=3, runs=[run], series=["loss"], x0=1000, x1=1200)
            header, segments = await client.binary("range")
            assert header["id"] == 3
            assert len(segments[0].series[0].steps) >= 201

    go(scene())


def test_a_slow_viewer_is_caught_up_rather_than_buffered(server):
    async def scene():
        run, attempt = server.run(10)
        viewer = Viewer()
        hub = Hub(server.store)
        hub.join(viewer)
        hub.subscribe(viewer, [run], 2000)
        while not isinstance(await hub.next_message(viewer), bytes):
            pass
        viewer.queued_bytes = 10**9  # as if its connection did not drain
        for first in range(10, 60, 10):
            await asyncio.to_thread(server.add, run, attempt, first, first + 10)
            polls = hub.ticks
            await until_true(
                lambda seen=polls: hub.ticks > seen + 1
            )  # of which the last began after the change
        assert not viewer.queue
        assert run in viewer.deltas_due
        viewer.queued_bytes = 0
        while isinstance(message := await asyncio.wait_for(hub.next_message(viewer), PATIENCE), str):
            pass
        _, (segment,) = decode(message)
        assert (segment.after, segment.to) == (9, 59)
        hub.leave(viewer)
        await hub.close()

    go(scene())


def test_nobody_watching_means_no_polling(server):
    async def scene():
        run, _ = server.run(1)
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run])
            await client.binary("snapshot")
        await until_true(lambda: server.api.hub.viewers == 0)
        polls = lambda: [task for task in asyncio.all_tasks() if task.get_name() == "live-hub"]  # noqa: E731
        hub, viewer = Hub(server.store), Viewer()
        hub.join(viewer)
        assert polls()
        hub.leave(viewer)
        await asyncio.wait(polls(), timeout=PATIENCE)
        assert not polls()
        await hub.close()

    go(scene())


def test_a_deleted_run_is_told_gone(server):
    async def scene():
        run, attempt = server.run(1)
        server.store.finish(run, attempt, "finished")
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run])
            await client.binary("snapshot")
            await asyncio.to_thread(server.store.delete, run, by="me")
            while (await client.text())["status"] != "gone":
                pass

    go(scene())


# --- rights ------------------------------------------------------------------------------------------------------


BAD_TOKENS = {
    "empty": "",
    "nonsense": "nonsense",
    "none": None,
    "number": 5,
    "long": "x" * 9000,
    "list": [],
    "another secret": Tokens("other").issue("me", [1]),
}


@pytest.mark.parametrize(
    "token", BAD_TOKENS.values(), ids=BAD_TOKENS.keys()
)  # ids: workers must agree on them
def test_a_bad_token_closes(server, token):
    async def scene():
        async with connect(f"ws://127.0.0.1:{server.port}/api/live") as ws:
            await ws.send(json.dumps({"type": "auth", "protocol": PROTOCOL, "token": token}))
            assert await closed_with(ws) == codes.NOT_ALLOWED

    go(scene())


def test_a_page_of_another_version_is_told_to_reload(server):
    async def scene():
        async with connect(f"ws://127.0.0.1:{server.port}/api/live") as ws:
            await ws.send(json.dumps({"type": "auth", "token": server.tokens.issue("me", [1])}))
            assert await closed_with(ws) == codes.NOT_ALLOWED

    go(scene())


def test_the_first_message_must_be_the_token(server):
    async def scene():
        async with connect(f"ws://127.0.0.1:{server.port}/api/live") as ws:
            await ws.send(json.dumps({"type": "subscribe", "runs": [1]}))
            assert await closed_with(ws) == codes.NOT_ALLOWED

    go(scene())


def test_nothing_else_keeps_a_socket_without_a_token_open(server, monkeypatch):
    monkeypatch.setattr("pages.live.connection.AUTH_TIMEOUT", 0.2)

    async def scene():
        async with connect(f"ws://127.0.0.1:{server.port}/api/live") as ws:
            assert await closed_with(ws) == codes.SILENT
        async with connect(f"ws://127.0.0.1:{server.port}/api/live") as ws:
            await ws.send(json.dumps({"type": "nonsense"}))
            assert await closed_with(ws) == codes.NOT_ALLOWED

    go(scene())


def test_a_long_message_is_cut_off_before_it_is_whole(server, monkeypatch):
    """Six sockets that sent 190 MB each, and no token, took 2.3 GB."""
    monkeypatch.setattr("pages.live.connection.AUTH_TIMEOUT", 60)

    async def scene():
        async with connect(f"ws://127.0.0.1:{server.port}/api/live") as ws:

            async def endless():
                for _ in range(3):
                    yield "x" * 40_000
                await ws.wait_closed()

            with contextlib.suppress(ConnectionClosed):
                await ws.send(endless())
            assert await closed_with(ws) == codes.TOO_BIG

    go(scene())


def test_connections_are_counted_by_owner_whatever_their_cookies_say(server):
    async def scene():
        async with contextlib.AsyncExitStack() as stack:
            for number in range(MAX_PER_OWNER):
                cookie = {"Cookie": f"trainscope_visitor={number:022d}"}
                await stack.enter_async_context(server.client(1, additional_headers=cookie))
            for others in range(2):  # the slot of a refused connection is free again
                ws = await stack.enter_async_context(connect(f"ws://127.0.0.1:{server.port}/api/live"))
                token = server.tokens.issue("me", [2 + others])
                await ws.send(json.dumps({"type": "auth", "protocol": PROTOCOL, "token": token}))
                assert await closed_with(ws) == codes.TOO_MANY
            await stack.enter_async_context(server.client(token=server.tokens.issue("somebody", [1])))
        while not await accepted():  # closed ones no longer count, once the server has noticed
            await asyncio.sleep(0.01)

    async def accepted():
        try:
            async with server.client(1):
                return True
        except ConnectionClosed:
            return False

    go(scene())


def test_connections_without_a_token_are_counted_by_address(server, monkeypatch):
    monkeypatch.setattr(server.api, "_by_address", Slots(3))

    async def scene():
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(connect(f"ws://127.0.0.1:{server.port}/api/live"))
            ws = await stack.enter_async_context(connect(f"ws://127.0.0.1:{server.port}/api/live"))
            assert await closed_with(ws) == codes.TOO_MANY

    go(scene())


def test_a_run_that_the_token_does_not_name_looks_like_none(server):
    async def scene():
        mine, _ = server.run(1)
        theirs, _ = server.run(1, owner="somebody")
        async with server.client(mine) as client:
            for runs in ([theirs], [10**9], ["1"], [1.5], [None], [True], "all", [-1], {"a": 1}):
                await client.send(type="subscribe", runs=runs)
                assert (await client.answer())["code"] in ("unknown_run", "bad_runs")

    go(scene())


def test_a_later_token_may_not_change_the_owner(server):
    async def scene():
        async with server.client(1) as client:
            await client.send(type="auth", protocol=PROTOCOL, token=server.tokens.issue("somebody", [2]))
            assert await closed_with(client.ws) == codes.NOT_ALLOWED

    go(scene())


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
def test_a_foreign_origin_is_refused_before_anything_is_said(server, origin):
    async def scene():
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{server.port}/api/live", origin=origin)
        assert caught.value.response.status_code == 403

    go(scene())


def test_our_own_origin_is_welcome(server):
    async def scene():
        async with server.client(1, origin=f"http://127.0.0.1:{server.port}") as client:
            await client.send(type="ping")
            assert (await client.answer())["t"] == "pong"

    go(scene())


def test_an_ended_token_closes_and_a_refreshed_one_does_not(server, monkeypatch):
    now, later = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: now() + later)

    run, _ = server.run()

    async def scene():
        nonlocal later
        async with server.client(run) as silent, server.client(run) as careful:
            later = LIFETIME / 2
            await careful.send(type="refresh")
            renewed = await careful.answer()
            assert server.tokens.check(renewed["token"]).owner == "me"
            later = LIFETIME - 1  # the other token ends within a second
            await silent.send(type="ping")
            assert await closed_with(silent.ws) == codes.NOT_ALLOWED
            await careful.send(type="ping")
            assert (await careful.answer())["t"] == "pong"

    go(scene())


def test_who_loses_the_right_to_a_run_loses_its_stream_when_the_token_is_renewed(server):
    store = server.store
    space = store.create_space(SpaceKind.PROJECT, "Deliveries", by="ann", name="Ann")
    for person in ("bob", "cy"):
        store.join(store.invite(space, Role.VIEWER, by="ann"), person.title(), by=person)
    run = store.within(space).create_run({}, "ann")
    attempt = store.claim(run)
    server.add(run, attempt, 0, 10)

    async def scene():
        tokens = {one: server.tokens.issue(one, [run]) for one in ("bob", "cy")}
        async with server.client(token=tokens["bob"]) as bob, server.client(token=tokens["cy"]) as cy:
            for client in (bob, cy):
                await client.send(type="subscribe", runs=[run], points=2000)
                await client.reach(run, 9)
                await client.send(type="refresh")
                assert (await client.answer())["t"] == "token", "while they have the right"
            await asyncio.to_thread(store.remove_member, space, "bob", by="ann")
            for client in (bob, cy):
                await client.send(type="refresh")
            assert await closed_with(bob.ws) == codes.NOT_ALLOWED
            assert (await cy.answer())["t"] == "token"
            await asyncio.to_thread(server.add, run, attempt, 10, 20)
            await cy.reach(run, 19)

    go(scene())


def test_a_run_that_moved_ends_the_stream_of_who_leaves_its_space_and_a_deleted_one_does_not(server):
    store = server.store
    space = store.create_space(SpaceKind.PROJECT, "Elsewhere", by="ann", name="Ann")
    away, gone = (store.create_run({}, "bob") for _ in range(2))
    store.join(store.invite(space, Role.EDITOR, by="ann"), "Bob", by="bob")

    async def scene():
        token = server.tokens.issue("bob", [away, gone])
        async with server.client(token=token) as client:
            await client.send(type="subscribe", runs=[away, gone], points=2000)
            await asyncio.to_thread(store.delete, gone, by="bob")
            await asyncio.to_thread(store.acting_for("bob", space).move_run, away, by="bob")
            await client.send(type="refresh")
            assert (await client.answer())["t"] == "token"
            await asyncio.to_thread(store.remove_member, space, "bob", by="bob")
            await client.send(type="refresh")
            assert await closed_with(client.ws) == codes.NOT_ALLOWED

    go(scene())


def test_a_token_cannot_be_renewed_indefinitely():
    tokens = Tokens("secret", max_page_age=60)
    old = tokens.check(tokens.issue("me", [1], started=int(time.time()) - 61))
    with pytest.raises(TokenError, match="reload"):
        tokens.renew(old)


def test_the_secret_is_made_once_for_this_user_alone(tmp_path):
    secret = read_secret(tmp_path / "home")
    assert len(secret) > 30
    assert read_secret(tmp_path / "home") == secret
    assert stat.S_IMODE((tmp_path / "home" / "secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["secret"]


def test_a_page_gets_the_same_token_on_each_rerun(tmp_path):
    assert page_token(tmp_path, "me", [2, 1]) == page_token(tmp_path, "me", [1, 2])
    assert page_token(tmp_path, "me", [1]) != page_token(tmp_path, "you", [1])


# --- hostile clients ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x00\x01", codes.BAD_MESSAGE),
        ("not json", codes.BAD_MESSAGE),
        ("[1, 2]", codes.BAD_MESSAGE),
        ("null", codes.BAD_MESSAGE),
        ("[" * 10_000, codes.BAD_MESSAGE),
        ('{"type": "ping", "x": "' + "a" * 20_000 + '"}', codes.TOO_BIG),
    ],
)
def test_what_no_page_sends_closes(server, message, code, caplog):
    async def scene():
        async with server.client(1) as client:
            await client.ws.send(message)
            assert await closed_with(client.ws) == code

    go(scene())
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "shell"},
        {"type": ["ping"]},
        {"type": None},
        {},
        {"type": "subscribe"},
        {"type": "subscribe", "runs": list(range(1000))},
        {"type": "subscribe", "runs": [1], "points": 10**9},
        {"type": "subscribe", "runs": [1], "points": "many"},
        {"type": "subscribe", "runs": [1], "cursors": [1]},
        {"type": "subscribe", "runs": [1], "cursors": {"1": 5}},
        {"type": "range", "runs": [1], "series": ["loss"], "x0": 0, "x1": 1},
        {"type": "snapshot", "runs": 1},
        {"type": "resync", "run": 1, "cursors": None},
        {"type": "resync", "run": {}, "cursors": {}},
    ],
)
def test_what_makes_no_sense_is_answered_with_an_error(server, message, caplog):
    async def scene():
        async with server.client(1) as client:
            await client.send(**message)
            assert (await client.answer())["t"] == "error"
            await client.send(type="ping")
            assert (await client.answer())["t"] == "pong"

    go(scene())
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "wrong",
    [
        {"series": "loss"},
        {"series": ["config"]},
        {"x0": 2**40},
        {"x0": 9, "x1": 3},
        {"x1": float("nan")},
        {"id": -1},
    ],
)
def test_a_senseless_range_is_refused(server, wrong):
    async def scene():
        run, _ = server.run(3)
        async with server.client(run) as client:
            await client.send(type="subscribe", runs=[run])
            await client.binary("snapshot")
            ask = {"id": 1, "runs": [run], "series": ["loss"], "x0": 0, "x1": 2} | wrong
            with contextlib.suppress(ConnectionClosed):
                await client.send(type="range", **ask)
                assert (await client.answer())["t"] == "error"

    go(scene())


def test_a_flood_is_cut_off(server):
    async def scene():
        async with server.client(1) as client:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(500):
                    await client.send(type="ping")
            assert await closed_with(client.ws) == codes.TOO_MANY

    go(scene())


# --- files and health --------------------------------------------------------------------------------------------


def test_plotly_comes_compressed_and_for_ever(server):
    status, headers, body = server.get(f"/api/plotly.js?v={VERSION}", **{"Accept-Encoding": "gzip"})
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert "immutable" in headers["Cache-Control"]
    assert len(body) < 500_000
    status, headers, _ = server.get("/api/plotly.js?v=0")
    assert headers["Cache-Control"] == "no-cache"
    assert server.get("/api/plotly.js", **{"If-None-Match": headers["ETag"]})[0] == 304


def test_assets_are_only_the_charts_own(server):
    status, headers, body = server.get(f"/api/assets/{assets_version()}/panels.js")
    assert status == 200
    assert headers["Content-Type"].startswith("text/javascript")
    assert b"export const panels" in body
    for name in ("..%2f..%2fapi.py", "api.py", "live_chart.py", "curves/chart.js", "", "%00"):
        assert server.get(f"/api/assets/x/{name}")[0] == 404


def test_health_and_readiness_tell_strangers_one_word(server):
    for ready, code, word in ((True, 200, "ok"), (False, 503, "unavailable")):
        server.ready = ready
        status, headers, body = server.get("/api/ready")
        assert (status, headers["Cache-Control"]) == (code, "no-store")
        assert json.loads(body) == {"status": word}
        assert [server.get("/api/health")[part] for part in (0, 2)] == [200, b'{"status":"ok"}']


def test_only_our_visitor_ids_are_believed():
    good = "a" * 22
    assert known_visitor(f"x=1; trainscope_visitor={good}") == good
    for header in (None, "", "trainscope_visitor=short", f"trainscope_visitor={good}<script>", "=;;="):
        assert known_visitor(header) is None
