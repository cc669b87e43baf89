"""What a person waits for, in a real browser on a real server: the first paint, the first point, and every point after.

`first_paint`: a server with an empty home is started cold; from its first HTTP answer to a Start button that can be
pressed and four mounted charts, in a browser without a cache. The supervisor imports torch on the same cores meanwhile.
Its stages, in seconds from the visit: the page has come, Streamlit asks how to connect, Plotly has come, all is ready.
`click_to_point`: from the click on Start to the first point of that run drawn, with a warm supervisor.
`step_to_point`: from each step's execution to the drawing that first shows it, every step counted, not only the newest
of a message: at 50 steps a second, and at full speed. A step's moment is its `seconds` in the store plus the moment at
which the worker's training clock began; the supervisor of this benchmark notes the latter in a file, and is else the
product's own. What is drawn, and when, is told by the charts' own performance marks; nothing polls the page.

Prints one JSON line. `python tests/bench/browser_latency.py REPETITIONS` takes another number than 20; with `cold` after it
only the first paint is measured.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.bench.live_server import ROOT, free_port
from trainer.store import Store

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
]  # fmt: skip
REPETITIONS = 20
VISITOR_STARTS = 5  # runs that one visitor has on the axes before the next one comes
KNOBS = {"paced": "?pace=50&epochs=3", "full_speed": "?epochs=150"}
PATIENCE = 60.0
TARGETS = {
    "first_paint_s.p95": 3.0,
    "click_to_point_*_s.p95": 1.0,
    "step_to_point_*_s.p95": 0.5,
    "web_imported_torch": False,
}

WATCH = Path(__file__).with_name("browser_watch.js")


# -- the server ---------------------------------------------------------------------------------------------


@contextmanager
def supervising(home: Path, marks: Path) -> Iterator[Store]:
    """A warm supervisor that notes when each run's clock begins; the database it serves."""
    marks.mkdir()
    process = start([sys.executable, __file__, "supervise", str(marks)], home)
    try:
        wait_for(lambda: (home / "trainscope.db").exists())
        store = Store(f"sqlite:///{home}/trainscope.db")
        wait_for(lambda: store.supervisor_status() == "ready")
        yield store
        store.close()
    finally:
        end(process)


def supervise(marks: Path) -> int:
    """The product's supervisor; its workers write down when they are forked and when training begins."""
    from trainer.engine import loop
    from trainer.processes import launcher as children
    from trainer.processes import supervisor

    begin, work = loop.Trainer.__init__, children.work

    def begin_marked(trainer: loop.Trainer, *arguments: Any) -> None:
        begin(trainer, *arguments)
        note(marks / f"{arguments[2].name}.began", trainer.started + time.time() - time.perf_counter())

    def work_marked(run_id: int, *arguments: Any) -> int:
        note(marks / f"{run_id}.forked", time.time())
        return work(run_id, *arguments)

    loop.Trainer.__init__, children.work = begin_marked, work_marked  # type: ignore[method-assign]
    return supervisor.main([])


def note(path: Path, moment: float) -> None:
    path.write_text(repr(moment))


@contextmanager
def serving(home: Path) -> Iterator[tuple[psutil.Process, str, dict[str, float]]]:
    """`streamlit run app.py`: its process, address, and the moments of its start and of its first answer."""
    port, times = free_port(), {"started": time.time()}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    process = start([*command, "--server.headless=true", "--server.address=127.0.0.1"], home)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(lambda: answers(url), pause=0.01)
        times["answered"] = time.time()
        yield psutil.Process(process.pid), url, times
    finally:
        end(process)


def start(command: list[str], home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TRAINSCOPE_HOME": str(home)}
    quiet = None if os.environ.get("BENCH_LOG") else subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def wait_for(condition: Callable[[], object], pause: float = 0.05) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited too long")
        time.sleep(pause)


def maps_torch(process: psutil.Process) -> bool:
    """Whether torch's libraries are mapped into a process: no import goes without that."""
    return "libtorch" in Path(f"/proc/{process.pid}/maps").read_text()


# -- scenes -------------------------------------------------------------------------------------------------


@contextmanager
def visiting(browser: Browser, url: str) -> Iterator[Page]:
    """A new visitor's page, as soon as it has been asked for."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    context.add_init_script(path=WATCH)
    page = context.new_page()
    try:
        page.goto(url, wait_until="commit")
        yield page
    finally:
        context.close()


def wait_until_ready(page: Page) -> float:
    """The moment at which Start could be pressed and the charts were there."""
    page.wait_for_function("window.__watch?.ready", polling=500, timeout=PATIENCE * 1000)
    return page.evaluate("window.__watch.ready") / 1000


STAGES = """() => {
    const entries = performance.getEntriesByType("resource");
    const end = (part) => entries.find(({ name }) => name.includes(part)).responseEnd / 1000;
    const [page] = performance.getEntriesByType("navigation");
    return {
        page: page.responseEnd / 1000,
        connecting: end("_stcore/host-config"),
        plotly: end("api/plotly.js"),
        ready: (window.__watch.ready - performance.timeOrigin) / 1000,
        requests: entries.length,
        megabytes: entries.reduce((sum, { transferSize }) => sum + transferSize, 0) / 1e6,
    };
}"""


def cold(browser: Browser, home: Path) -> dict[str, Any]:
    """One cold start."""
    with serving(home) as (server, url, times), visiting(browser, url) as page:
        painted = wait_until_ready(page)
        return {
            "server_start": times["answered"] - times["started"],
            "first_paint": painted - times["answered"],
            "torch": maps_torch(server),
            "stages": page.evaluate(STAGES),
        }


class Rounds:
    """Starts runs in the browser and reckons what a person waited for."""

    def __init__(self, store: Store, marks: Path) -> None:
        self.store, self.marks = store, marks
        self.stages: dict[str, list[float]] = {}
        self.clicks: list[float] = []
        self.delays: list[np.ndarray] = []

    def start_run(self, page: Page) -> None:
        """Press Start, wait for the run's end, and look up the moments of its points."""
        known = {run.id for run in self.store.runs()}
        page.evaluate("Object.assign(window.__watch, { clicks: [], drawn: [], received: [] })")
        page.locator(".st-key-start button").click()
        wait_for(lambda: {run.id for run in self.store.runs()} - known)
        (run_id,) = {run.id for run in self.store.runs()} - known
        wait_for(lambda: self.store.run(run_id).is_over, pause=0.3)
        time.sleep(1.5)  # the last points are drawn, and the page is at rest
        self._reckon(run_id, page.evaluate("window.__watch"))

    def _reckon(self, run_id: int, seen: dict[str, Any]) -> None:
        run = self.store.run(run_id)
        points = self.store.read_points(run_id, "step")
        steps, seconds = (points.array[:, points.columns.index(name)] for name in ("step", "seconds"))
        reached = [(at / 1000, shown[str(run_id)]) for at, shown in seen["drawn"] if shown.get(str(run_id))]
        drawn, upto = np.array(reached).T
        assert upto[-1] == steps[-1], f"step {steps[-1]:.0f} of run {run_id} was never drawn"
        began, forked = (float((self.marks / f"{run_id}.{what}").read_text()) for what in ("began", "forked"))
        self.delays.append(drawn[np.searchsorted(upto, steps)] - (began + seconds))
        click = seen["clicks"][0] / 1000
        self.clicks.append(drawn[0] - click)
        received = next(at / 1000 for at, frames in seen["received"] if _brings(frames, run_id))
        assert run.created is not None
        moments = [click, run.created.timestamp(), forked, began, began + seconds[0], received, drawn[0]]
        names = ["queued", "forked", "built", "stepped", "received", "drawn"]
        for name, wait in zip(names, np.diff(moments), strict=True):
            self.stages.setdefault(name, []).append(wait)


def _brings(frames: list[dict[str, Any]], run_id: int) -> bool:
    return any(frame["run"] == run_id and frame["kind"] == "step" and frame["to"] > 0 for frame in frames)


def live_rounds(browser: Browser, url: str, rounds: Rounds, knobs: str, repetitions: int) -> None:
    """Visitors come one after the other, and each starts a few runs."""
    for first in range(0, repetitions, VISITOR_STARTS):
        with visiting(browser, url + knobs) as page:
            wait_until_ready(page)
            time.sleep(1)
            for _ in range(min(VISITOR_STARTS, repetitions - first)):
                rounds.start_run(page)


# -- the report ---------------------------------------------------------------------------------------------


def spread(values: Any) -> dict[str, float]:
    """Quantiles; the least is what a machine with nothing else to do comes closest to."""
    quantiles = {"min": 0.0, "p50": 0.5, "p95": 0.95, "max": 1.0}
    told = {name: round(float(np.quantile(values, q)), 3) for name, q in quantiles.items()}
    return {**told, "n": len(values)}


def measure_cold(browser: Browser, folder: Path, repetitions: int) -> dict[str, Any]:
    ones = [cold(browser, folder / f"cold{i}") for i in range(repetitions)]
    told: dict[str, Any] = {
        f"{k}_s": spread([one[k] for one in ones]) for k in ("server_start", "first_paint")
    }
    stages = {
        name: round(float(np.median([one["stages"][name] for one in ones])), 3) for name in ones[0]["stages"]
    }
    return {**told, "first_paint_stages_p50": stages, "web_imported_torch": any(one["torch"] for one in ones)}


def measure_live(browser: Browser, folder: Path, repetitions: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    marks = folder / "marks"
    with supervising(folder / "home", marks) as store, serving(folder / "home") as (server, url, _):
        for name, knobs in KNOBS.items():
            rounds = Rounds(store, marks)
            live_rounds(browser, url, rounds, knobs, repetitions)
            stages = {stage: round(float(np.median(waits)), 3) for stage, waits in rounds.stages.items()}
            told[f"click_to_point_{name}_s"] = spread(rounds.clicks) | {"stages_p50": stages}
            quietest = min(spread(delays)["p95"] for delays in rounds.delays)
            told[f"step_to_point_{name}_s"] = spread(np.concatenate(rounds.delays)) | {
                "best_run_p95": quietest
            }
        told["web_imported_torch_after_runs"] = maps_torch(server)
    return told


def main(repetitions: int, *, only_cold: bool) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        told = {
            "bench": "browser_latency",
            "repetitions": repetitions,
            **measure_cold(browser, Path(folder), repetitions),
            **({} if only_cold else measure_live(browser, Path(folder), repetitions)),
            "load": round(os.getloadavg()[1], 2),
            "targets": TARGETS,
        }
        browser.close()
    print(json.dumps(told))


if __name__ == "__main__":
    if sys.argv[1:2] == ["supervise"]:
        os._exit(supervise(Path(sys.argv[2])))
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS, only_cold="cold" in sys.argv[2:])
