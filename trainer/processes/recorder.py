"""The recorder: takes points from the training thread for next to nothing and commits them from a thread of its own.

`step` appends a point to a queue. The writer thread empties the queue about five times a second into one transaction,
together with progress, notices and a heartbeat, and fetches what is requested of the run. When the database cannot be
written (locked, disk full) it tries again until it can; the queue is bounded, so training waits rather than losing a
point.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from trainer.engine.processor_wait import waited
from trainer.health.layout import Layout
from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.registry import Point
from trainer.processes.control import Control
from trainer.processes.log import log_line
from trainer.processes.progress import Progress
from trainer.store import Batch, Store, Superseded
from trainer.store.points import Array

INTERVAL = 0.2
"""Seconds of training between commits, for each of the runs that train together: their writers share one processor with it."""
MAX_INTERVAL = 2.5
"""Seconds after which points are committed although training has mostly waited for a processor meanwhile."""
BEAT_INTERVAL = 0.5
"""Seconds between heartbeats while there is nothing to commit."""
CAPACITY = 20_000
"""Rows in the queue at which training waits for the writer."""
LEAVE_SECONDS = 5.0
"""Seconds in which a worker that was told to leave still tries to write."""

_INTERRUPT, _STOP = Request(RequestKind.INTERRUPT), Request(RequestKind.STOP)
_RETRIED = (OperationalError, InterfaceError, InternalError)


class RecordingError(Exception):
    """Points cannot be written any more; the text is a sentence. The run continues later from its checkpoint."""


class Recorder:
    """Records one attempt of a run: an engine's `RunReporter`. `open` it before training and `close` it after, or use it as
    a context manager.

    Values are floats, None (recorded as NaN) or zero-dimensional tensors on any device, which are fetched in batches
    by the writer thread, on the default stream: the training thread neither waits nor synchronizes. A tensor that was
    handed over must not be changed in place afterwards.
    """

    def __init__(
        self,
        store: Store,
        run_id: int,
        attempt: int,
        control: Control,
        parent: int | None = None,
        before_checkpoint: Callable[[], int | None] = lambda: None,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        """`parent` is the supervisor's process id: once it is no longer this process's parent, the run is interrupted.
        `before_checkpoint` returns what the run's folder takes, and may raise to end the run. `begun` is called after the first
        step."""
        self.superseded = False
        self.most_seconds: float | None = None
        """For how long the run may train; then it is stopped, with a checkpoint and a notice."""
        self._folder_bytes: int | None = None
        self._store, self._run_id, self._attempt, self._control = store, run_id, attempt, control
        self._parent, self._before_checkpoint, self._begun = parent, before_checkpoint, begun
        self._trainer = threading.get_native_id()
        self._steps: deque[Point] = deque()
        self._epochs: deque[Point] = deque()
        self._samples: deque[tuple[int, Layout, Any]] = deque()
        self._views: dict[str, tuple[int, bytes]] = {}
        self._notices: deque[str] = deque()
        self._progress = Progress()
        self._capacity, self._interval, self._share = CAPACITY, INTERVAL, 1.0
        self._eager = True
        self._wake, self._closing = threading.Event(), False
        self._waiters: deque[threading.Event] = deque()
        self._request: Request | None = None
        self._newest_change = self._recorded = -1
        self._handled: deque[Request] = deque()
        self._failure: Exception | None = None
        self._leaving_since: float | None = None
        self._last_commit = -BEAT_INTERVAL
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)

    # -- the training thread --------------------------------------------------------------------------------

    def progress(self, facts: Mapping[str, Any]) -> None:
        """Reports facts of the run besides its curves: device, parameters, total_steps, epoch, … Those reported before
        stay. The points add step, seconds, steps_per_s and the metrics that have
        an aggregation."""
        self._interval = INTERVAL * facts["together"] if "together" in facts else self._interval
        self._progress.report(facts)

    def step(self, point: Point) -> None:
        """Records one optimizer step."""
        self._steps.append(point)
        if self._eager:  # the first point is committed at once
            self._eager = False
            self._wake.set()
            self._begun()
        if len(self._steps) >= self._capacity:
            self._wait_for_room()

    def epoch(self, point: Point) -> None:
        """Records one finished epoch."""
        self._epochs.append(point)

    def health(self, step: int, layout: Layout, sample: Any) -> None:
        """Records a sample of a step's layers: a tensor as `layout` describes it."""
        self._samples.append((step, layout, sample))

    def view(self, name: str, step: int, data: bytes) -> None:
        """Keeps the newest view of a name; an earlier one that is not written yet is dropped."""
        self._views[name] = (step, data)

    def notice(self, text: str) -> None:
        """Adds a sentence for a person to read."""
        self._notices.append(text)

    def handled(self, request: Request) -> None:
        """Removes a request that the loop has answered, here and in the store, in one commit with the steps that follow."""
        self._control.handled()
        self._handled.append(request)

    def flush(self) -> None:
        """Waits until everything recorded so far is committed. Called before a checkpoint takes its final name: otherwise
        a kill between the two would leave a gap in the curve that no resumed run computes again. Raises `RecordingError`
        when that is impossible."""
        self._folder_bytes = self._before_checkpoint()
        done = threading.Event()
        self._waiters.append(done)
        self._wake.set()
        while not done.wait(0.25):
            self._check()

    def open(self) -> Recorder:
        """Starts the writer thread, once it knows what earlier attempts have recorded: their changes of knobs come again at
        their steps, and new ones not before the last step of the curve, which would else have a part that no change explains."""
        self._recorded = self._store.last_step(self._run_id, "step")
        for change in self._store.knob_changes(self._run_id):
            if change.step is not None:
                payload = {"number": change.number, "values": change.values, "step": change.step}
                self._control.request(Request(RequestKind.CHANGE, payload))
        self._thread.start()
        return self

    def close(self) -> None:
        """Commits what is left and ends the writer thread. Raises `RecordingError` when that is impossible."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        if self._failure is not None:
            raise RecordingError(str(self._failure)) from self._failure

    def __enter__(self) -> Recorder:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_for_room(self) -> None:
        self._wake.set()
        while len(self._steps) >= self._capacity:
            self._check()
            if self._control.is_interrupted:
                return
            time.sleep(0.01)

    def _check(self) -> None:
        if self._failure is not None or not self._thread.is_alive():
            raise RecordingError(str(self._failure or "The recorder is closed.")) from self._failure

    # -- the writer thread ----------------------------------------------------------------------------------

    def _write(self) -> None:
        try:
            while True:
                closing = self._closing
                waiters = [self._waiters.popleft() for _ in range(len(self._waiters))]
                self._round(force=closing or bool(waiters))
                for waiter in waiters:
                    waiter.set()
                if closing and not self._notices:  # the last round itself may have added one
                    return
                self._pause()
                self._wake.clear()
        except Exception as error:  # reported where training can see it
            self._failure = error
            self._capacity = 0  # the next step takes the slow path and raises
            log_line(f"Recording ended: {error}")

    def _pause(self) -> None:
        """Waits until training has gone on for an interval, so that many runs on few cores do not spend them on commits. How long
        that takes is foreseen from training's share of a core: each wake-up to look takes the core from a run."""
        began, before = time.monotonic(), waited(self._trainer)
        enough, longest = 0.75 * self._interval, max(MAX_INTERVAL, self._interval)
        passed, pause = 0.0, max(self._interval, enough / self._share)
        while not self._wake.wait(min(pause, longest - passed)):
            passed = time.monotonic() - began
            trained = passed - (waited(self._trainer) - before)
            self._share = min(1.0, max(0.01, trained / passed))
            if trained >= enough or passed > 0.99 * longest:
                return
            pause = max(0.05, (enough - trained) / self._share)

    def _round(self, force: bool) -> None:
        self._watch_parent()
        batches = self._drain()
        progress = self._progress.after(batches)
        self._watch_time(progress or {})
        notices = [self._notices.popleft() for _ in range(len(self._notices))]
        views = {name: self._views.pop(name) for name in list(self._views)}
        idle = not (batches or notices or progress or views)
        if idle and not force and time.monotonic() - self._last_commit < BEAT_INTERVAL:
            return
        self._pass_on(self._commit(batches, progress, notices, views))
        self._last_commit = time.monotonic()

    def _drain(self) -> list[Batch]:
        # Epochs first: what a person sees of an epoch always has its steps behind it already or in the same commit.
        taken = [("epoch", _take(self._epochs)), ("step", _take(self._steps))]
        found = [Batch(kind, points[0]._fields, to_array(points)) for kind, points in taken if points]
        return [*health_batch(_take(self._samples)), *found]

    def _commit(
        self,
        batches: list[Batch],
        progress: dict[str, Any] | None,
        notices: list[str],
        views: dict[str, tuple[int, bytes]],
    ) -> Request | None:
        """Writes until it works: what was taken from the queues must not be lost. Returns what is requested of the run."""
        began, trouble = time.monotonic(), ""
        # After the steps: none is committed before the change of knobs that it was trained with.
        handled = _take(self._handled)
        measured, self._folder_bytes = self._folder_bytes, None
        while True:
            try:
                request = self._store.record(
                    self._run_id,
                    self._attempt,
                    batches,
                    progress,
                    notices,
                    views,
                    handled,
                    measured,
                )
            except Superseded:
                self.superseded = True
                self._control.request(_INTERRUPT)
                raise
            except _RETRIED as error:
                trouble = self._complain(error, trouble)
                self._give_up_when_leaving(trouble)
                self._watch_parent()
                time.sleep(INTERVAL)
            else:
                self._recovered(trouble, time.monotonic() - began)
                return request

    def _complain(self, error: DBAPIError, before: str) -> str:
        trouble = str(error.orig).splitlines()[0]
        if trouble != before:
            log_line(
                f"Recording waits: the database reports {trouble!r}. Training continues until {CAPACITY:,} steps wait; "
                "nothing is lost. If the disk is full, free some space."
            )
        return trouble

    def _recovered(self, trouble: str, seconds: float) -> None:
        if trouble:
            sentence = f"Recording waited {seconds:.0f} s for the database ({trouble}); nothing was lost."
            self._notices.append(sentence)
            log_line(sentence)

    def _give_up_when_leaving(self, trouble: str) -> None:
        if not self._control.is_interrupted:
            return
        self._leaving_since = self._leaving_since or time.monotonic()
        if time.monotonic() - self._leaving_since > LEAVE_SECONDS:
            raise RecordingError(f"The last points could not be written before leaving: {trouble}.")

    def _pass_on(self, request: Request | None) -> None:
        """Passes a request on to the loop, once: the store returns it until the loop has answered."""
        if request is not None and request != self._request:
            if request.kind is not RequestKind.CHANGE:
                self._control.request(request)
            elif request.payload["number"] > self._newest_change:
                self._newest_change = request.payload["number"]
                self._control.request(Request(request.kind, {**request.payload, "after": self._recorded}))
        self._request = request

    def _watch_time(self, progress: Mapping[str, Any]) -> None:
        """Stops the run once it has trained for as long as it may."""
        trained, most = progress.get("seconds", 0.0), self.most_seconds
        if most is not None and trained >= most:
            self.most_seconds = None
            self._control.request(_STOP)
            self._notices.append(
                f"This run has trained for {trained:,.0f} s, and a run may train for {most:,} s here, so it was stopped with a "
                "checkpoint. In a shared space, an owner can raise the limit; then resume it."
            )

    def _watch_parent(self) -> None:
        if self._parent is not None and os.getppid() != self._parent:
            self._control.request(_INTERRUPT)


def to_array(points: Sequence[Point]) -> Array:
    """Points of floats, None and zero-dimensional tensors as float64, shape (points, columns)."""
    array = np.empty((len(points), len(points[0])))
    for index, values in enumerate(zip(*points, strict=True)):
        array[:, index] = fetch(values)
    return array


def health_batch(samples: Sequence[tuple[int, Layout, Any]]) -> list[Batch]:
    """The health samples of a run as one batch, or none."""
    if not samples:
        return []
    layout, steps = samples[0][1], [step for step, _, _ in samples]
    rows = layout.rows(steps, [sample.detach().cpu().numpy() for _, _, sample in samples])
    return [Batch("health", layout.columns, rows)]


def fetch(values: Sequence[Any]) -> Sequence[float | None]:
    """The values as floats. Tensors come over together, one transfer for each dtype and device, not one each."""
    groups: dict[Any, list[int]] = {}
    for index, value in enumerate(values):
        if hasattr(value, "detach"):
            groups.setdefault((value.dtype, value.device), []).append(index)
    if not groups:
        return values
    import torch

    result = list(values)
    for indices in groups.values():
        stacked = torch.stack([values[index].detach() for index in indices]).tolist()
        for index, value in zip(indices, stacked, strict=True):
            result[index] = value
    return result


def _take(rows: deque[Any]) -> list[Any]:
    """Everything in the queue now. One at a time, because the training thread appends meanwhile."""
    return [rows.popleft() for _ in range(len(rows))]
