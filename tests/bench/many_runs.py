"""The Runs page with a thousand runs of ten thousand steps: how long a tab waits for it, and what it is sent.

The runs are in the store without training. A session is a Streamlit session of the whole app over its own WebSocket, as a browser
opens it: `open` is from the connection to the end of the script, `filter`, `several` and `group` from a change to the end of the
rerun. Bytes are all that the server sends meanwhile. Medians of a few rounds after the first, whose opening is
`first_open`: the server has just started. Prints one JSON line. Run by hand: `python tests/bench/many_runs.py [RUNS [STEPS]]`.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from pages.server.visitor import COOKIE
from tests.bench.live_server import ServedApp
from trainer.config import RunConfig
from trainer.metrics.registry import columns
from trainer.store import Batch, Store

RUNS, STEPS, EPOCHS, ROUNDS, CHOSEN = 1_000, 10_000, 100, 5, 60
VISITOR = "V" * 22
CHOICES = {
    "normalization": ("none", "batch", "layer"),
    "optimizer": ("adam", "sgd"),
    "schedule": ("constant", "cosine"),
}


def config(number: int) -> RunConfig:
    """One of a search: techniques in turn, rates of their own, six seeds each."""
    knobs = {name: values[number // 6 % len(values)] for name, values in CHOICES.items()}
    rate = 10 ** -(1 + number // 6 % 30 / 10)
    return RunConfig.from_flat(
        {**knobs, "learning_rate": round(rate, 6), "dropout.rate": number // 6 % 7 / 20, "seed": number % 6}
    )


def fill(store: Store, runs: int, steps: int) -> None:
    """Adds runs that are over, with their curves."""
    random, now = np.random.default_rng(0), datetime.now(UTC)
    curves = {}
    for kind, count in (("step", steps), ("epoch", EPOCHS)):
        names = columns(kind)
        rows = random.random((count, len(names)))
        rows[:, names.index("step")] = np.linspace(steps / count, steps, count).round()
        curves[kind] = (names, rows)
    for number in range(runs):
        loss = float(random.random())
        results = {
            "best": {"val_loss": loss, "val_metric": 1 - loss, "epoch": 42},
            "test": {"loss": loss, "metric": 1 - loss},
        }
        results |= {
            "stopped_by": "epochs",
            "metric": "accuracy",
            "unit": "",
            "seconds": 9.0,
            "steps_per_second": 1e3,
        }
        values = {
            "name": "",
            "notes": "",
            "status": "finished",
            "config": config(number).to_dict(),
            "error": None,
            "notices": [],
        }
        times = {"created": now + timedelta(seconds=number), "started": now, "ended": now}
        progress = {"step": steps, "epoch": EPOCHS, "total_steps": steps, "epochs": EPOCHS}
        batches = [Batch(kind, names, rows) for kind, (names, rows) in curves.items()]
        store.import_run(VISITOR, {**values, **times, "progress": progress, "results": results}, batches)


class Tab:
    """One session, which counts what it is sent."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.messages, self.widgets, self.page = socket, [], {}, ""

    async def rerun(self, query: str = "", **values: str | bool | int) -> dict[str, float]:
        """Sends the state of the widgets that are changed, by their keys, and reads until the script has ended."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = "" if self.page else "runs"
        message.rerun_script.page_script_hash = self.page
        message.rerun_script.context_info.timezone = "Europe/Berlin"
        for key, value in values.items():
            state = message.rerun_script.widget_states.widgets.add()
            state.id = next(one for one in self.widgets if one.endswith(f"-{key}"))
            kind = {bool: "bool_value", str: "string_value", int: "int_value"}[type(value)]
            setattr(state, kind, value)
        begun, size, drawn = time.perf_counter(), 0, 0
        await self.socket.send(message.SerializeToString())
        while True:
            data = await asyncio.wait_for(self.socket.recv(), 120)
            size += len(data)
            got = ForwardMsg.FromString(data)
            kind = got.WhichOneof("type")
            if kind == "navigation":
                self.page = got.navigation.page_script_hash
            if kind == "delta":
                drawn += 1
                self.note(got)
            if kind == "script_finished" and got.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return {"seconds": time.perf_counter() - begun, "kB": size / 1000, "elements": drawn}

    def note(self, message: ForwardMsg) -> None:
        """Remembers the ids of the widgets."""
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        identity = getattr(getattr(element, kind), "id", "") if kind else ""
        if identity:
            self.widgets[identity] = kind


async def visit(port: int) -> dict[str, dict[str, float]]:
    """Opens two fresh tabs on the page, for the list and for several chosen runs, and works with them."""
    found = {}
    async with session(port) as tab:
        found["open"] = await tab.rerun()
        found["filter"] = await tab.rerun(**{"runs-filter": "batch norm"})
    async with session(port) as tab:
        chosen = "run=" + ",".join(str(number) for number in range(1, CHOSEN + 1))
        found["several"] = await tab.rerun(chosen)
        found["group"] = await tab.rerun(chosen, **{"runs-group": "Normalization"})
    return found


@asynccontextmanager
async def session(port: int) -> AsyncIterator[Tab]:
    async with connect(
        f"ws://127.0.0.1:{port}/_stcore/stream",
        additional_headers={"Cookie": f"{COOKIE}={VISITOR}"},
        max_size=None,
        subprotocols=["streamlit"],
    ) as socket:
        yield Tab(socket)


async def measure(port: int) -> dict[str, dict[str, float]]:
    cold, *rounds = [await visit(port) for _ in range(ROUNDS + 1)]
    return {"first_open": cold["open"]} | {
        act: {what: round(statistics.median(one[act][what] for one in rounds), 3) for what in rounds[0][act]}
        for act in rounds[0]
    }


def main(runs: int = RUNS, steps: int = STEPS) -> None:
    """Fills a store and measures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(f"sqlite:///{folder / 'trainscope.db'}")
        begun = time.perf_counter()
        fill(store, runs, steps)
        filled = time.perf_counter() - begun
        with ServedApp(folder, store) as app:
            found = asyncio.run(measure(app.port))
        print(json.dumps({"runs": runs, "steps": steps, "fill_seconds": round(filled, 1), **found}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
