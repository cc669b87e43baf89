"""The supervisor's decisions and locks; its processes are tested in tests/faults."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import PATIENCE

from trainer.config import ConfigError
from trainer.processes.launcher import HUNG_SECONDS, Child
from trainer.processes.log import error_sentence
from trainer.processes.sharing.policy import next_run
from trainer.store import Run, Store
from trainer.store.file_lock import FileLock, is_locked


@pytest.fixture
def template(tmp_path: Path) -> Run:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    return store.run(store.create_run({}, "ada"))


def queue(template: Run, owners: str) -> list[Run]:
    return [replace(template, id=place, place=place, owner=owner) for place, owner in enumerate(owners)]


def test_owners_take_turns(template: Run) -> None:
    waiting, served, order = queue(template, "aaaabbc"), {}, ""
    while run := next_run(waiting, [], served):
        waiting.remove(run)
        served[run.owner] = len(order)
        order += run.owner
    assert order == "abcabaa"


def test_whoever_trains_least_comes_first(template: Run) -> None:
    assert next_run(queue(template, "aab"), ["a", "a", "c"], {"b": 5}).owner == "b"
    assert next_run([], [], {}) is None


@pytest.mark.parametrize(
    ("status", "words"), [(9, "killed by SIGKILL"), (11, "ended by SIGSEGV"), (3 << 8, "ended with code 3")]
)
def test_the_reason_names_signal_or_code(status: int, words: str) -> None:
    assert words in Child(1, status=status).reason


def test_a_pulse_that_has_stopped_means_hung() -> None:
    child = Child(1, run_id=1)
    assert not child.is_hung(100.0)
    assert not child.is_hung(100.0 + HUNG_SECONDS - 0.1)
    assert child.is_hung(100.0 + HUNG_SECONDS + 0.1)


def test_a_file_lock_excludes_and_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    assert is_locked(path) is None
    taken, tell = os.pipe()
    holder = os.fork()
    if not holder:
        try:
            os.write(tell, b"y" if FileLock(path).acquire() else b"n")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)  # so that reading ends when the holder does
    try:
        assert os.read(taken, 1) == b"y"
        assert is_locked(path)
        assert not FileLock(path).acquire()
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    assert is_locked(path) is False
    mine = FileLock(path)
    assert mine.acquire()
    assert mine.still_held()
    mine.release()
    assert not mine.still_held()


def ask_for_ever(path: Path, count: ctypes.c_long) -> None:
    while True:
        is_locked(path)
        count.value += 1


def test_asking_disturbs_nobody(tmp_path: Path) -> None:
    """Two others ask a thousand times and more, yet each of the single attempts to take the free lock succeeds meanwhile."""
    path = tmp_path / "lock"
    path.touch()
    fork, taken, deadline = multiprocessing.get_context("fork"), 0, time.monotonic() + PATIENCE
    asked = [fork.RawValue(ctypes.c_long) for _ in range(2)]
    askers = [fork.Process(target=ask_for_ever, args=(path, count), daemon=True) for count in asked]
    try:
        for asker in askers:
            asker.start()
        while taken < 1000 or min(count.value for count in asked) < 1000:
            lock = FileLock(path)
            assert lock.acquire(), f"attempt {taken + 1} failed"
            lock.release()
            taken += 1
            assert time.monotonic() < deadline, f"only {taken} attempts in {PATIENCE} s"
            assert all(asker.is_alive() for asker in askers), "an asker has ended by itself"
    finally:
        for asker in askers:
            asker.kill()
            asker.join()


def test_an_abandoned_lock_stays_with_the_parent(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    child = os.fork()
    if not child:
        try:
            lock.abandon()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert is_locked(tmp_path / "lock")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConfigError("Epochs is 0; use 1 or more."), "Epochs is 0; use 1 or more."),
        (MemoryError(), "Training ran out of memory. Try a smaller model or a smaller batch size."),
        (RuntimeError("CUDA out of memory. Tried..."), "smaller batch size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "smaller batch size"),
        (
            RuntimeError("an illegal memory access was encountered"),
            "Training failed with RuntimeError: an illegal",
        ),
        (ValueError("first\nsecond"), "Training failed with ValueError: first"),
        (KeyError(), "Training failed with KeyError: no details"),
    ],
)
def test_errors_become_sentences(error: Exception, words: str) -> None:
    assert words in error_sentence(error, "Training")
