"""What one visitor and one run may take: each limit ends in one sentence with the figures and the remedy."""

from __future__ import annotations

import contextlib
import copy
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import small

from trainer.engine import loop
from trainer.engine.build import build
from trainer.engine.datasplit import steps_per_epoch
from trainer.preflight.footprint import training_bytes
from trainer.processes.changes import request_change
from trainer.processes.control import Control
from trainer.processes.limits import LimitError, limit_memory, require_memory, require_points
from trainer.processes.log import error_sentence
from trainer.processes.worker import train_attempt
from trainer.settings import MEGABYTE, Settings, usable_memory
from trainer.store import COMMAND_LINE, Limits, Planned, Run, Store, StoreError

HERE = Path("no-data-here")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'trainscope.db'}", limits=Limits(of_one=3, together=5))


# -- runs under way ---------------------------------------------------------------------------------------------------


def test_a_visitor_has_so_many_runs_under_way_and_no_more(store: Store) -> None:
    first, second, third = (store.create_run({}, "ann") for _ in range(3))
    attempt = store.claim(first)
    with pytest.raises(
        StoreError,
        match=r"^3 runs of yours are queued or in training, and at most 3 may be at a time\. Wait until some have ended",
    ):
        store.create_run({}, "ann")
    store.finish(first, attempt, "finished")
    fourth = store.create_run({}, "ann")
    store.request(second, "pause", by="ann")  # what is paused takes no worker
    fifth = store.create_run({}, "ann")
    with pytest.raises(StoreError, match="at most 3"):
        store.resume(second, by="ann")
    assert store.run(second).status == "paused"
    assert store.resume(third, by="ann") == "queued", "it is under way already"
    store.request(fourth, "stop", by="ann")
    assert store.resume(second, by="ann") == "queued"
    assert [run.id for run in store.queued()] == [third, fifth, second]


def test_all_visitors_together_have_a_limit_and_the_command_line_has_none(store: Store) -> None:
    for owner in ("ann", "ann", "bob", "bob", "cy"):
        store.create_run({}, owner)
    for _ in range(9):
        store.create_run({}, COMMAND_LINE)
    with pytest.raises(
        StoreError, match=r"^5 runs of all visitors are queued .* Try again when some have ended\.$"
    ):
        store.create_run({}, "dee")
    run = store.create_run({}, COMMAND_LINE)
    store.request(run, "pause", by=COMMAND_LINE)
    assert store.resume(run, by=COMMAND_LINE) == "queued"


def test_a_comparison_starts_whole_or_not_at_all(store: Store) -> None:
    planned = [Planned(arm, 0, name, {}) for arm, name in enumerate("ab")]
    comparison = store.create_comparison({}, planned, "ann")
    assert [(run.id, run.name) for run in store.queued()] == [
        (one.run.id, name) for one, name in zip(store.members(comparison), "ab", strict=True)
    ]
    assert len({run.place for run in store.queued()}) == 2
    with pytest.raises(StoreError, match=r"^2 runs of yours .* so 2 more do not fit\."):
        store.create_comparison({}, planned, "ann")
    assert len(store.runs()) == 2
    assert len(store.comparisons()) == 1


def _add(url: str, start: Any) -> None:
    store = Store(url, limits=Limits(of_one=3, together=100))
    start.wait()
    for _ in range(5):
        with contextlib.suppress(StoreError):
            store.create_run({}, "ann")


def test_many_at_once_do_not_pass_the_limit(store: Store) -> None:
    context = multiprocessing.get_context("forkserver")
    start = context.Event()
    processes = [context.Process(target=_add, args=(store.url, start)) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert len(store.queued()) == 3


# -- one run ----------------------------------------------------------------------------------------------------------


def trained(store: Store, tmp_path: Path, values: dict[str, Any], **limit: int) -> Run:
    """The run, after a worker has trained it within these limits."""
    settings = Settings(home=tmp_path, **limit)
    run_id = store.create_run(small(**values), COMMAND_LINE, status="running")
    train_attempt(store, run_id, 1, settings, Control())
    return store.run(run_id)


def test_a_run_with_too_many_points_does_not_begin(store: Store, tmp_path: Path) -> None:
    steps = steps_per_epoch(small())
    require_points(small(epochs=10), Settings(home=tmp_path, max_run_points=10 * steps))
    run = trained(store, tmp_path, {"epochs": 11}, max_run_points=10 * steps)
    assert run.status == "failed"
    assert run.error == (
        f"The run's curves would have {11 * steps:,} points, {steps:,} for each of 11 epochs, and a run may have "
        f"{10 * steps:,}. Train at most 10 epochs, or use a larger batch size."
    )
    assert store.last_step(run.id, "step") == -1


def test_a_run_whose_checkpoints_grow_too_large_fails_with_its_curve_kept(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)
    run = trained(store, tmp_path, {"model.layers": "300-300", "epochs": 30}, max_run_mb=1)
    assert run.status == "failed"
    assert run.error.startswith("The run's checkpoints take ")
    assert run.error.endswith(" on the disk, and a run may take 1 MB. Train a smaller model.")
    assert store.last_step(run.id, "step") > 0


def test_a_run_that_cannot_fit_does_not_begin(store: Store, tmp_path: Path) -> None:
    run = trained(store, tmp_path, {"model.layers": "600-600"}, max_worker_mb=2)
    assert run.status == "failed"
    assert run.error.startswith("Training needs about ")
    assert (
        "of memory, and 2 MB can be had: 1.5 MB for weights, 1.5 MB for gradients, 2.9 MB for the optimizer"
        in run.error
    )
    assert run.error.endswith("Use a smaller model or a smaller batch size.")
    assert store.last_step(run.id, "step") == -1
    assert run.traceback is None or "LimitError" in run.traceback


@pytest.mark.parametrize(
    "values",
    [
        {"normalization": "batch", "dropout": 0.3},
        {"data": "digits", "model": "resnet", "batch_size": 64},
        {"data": "reviews", "model": "transformer", "early_stopping": "patience"},
        {"data": "adding", "model": "lstm", "precision": "bf16"},
    ],
)
def test_the_estimate_changes_nothing(values: dict[str, Any]) -> None:
    run = build(small(**values), HERE)
    before, random = copy.deepcopy(run.model.state_dict()), torch.get_rng_state()
    training = run.model.training
    needed = training_bytes(run)
    after = run.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(torch.get_rng_state(), random)
    assert run.model.training == training
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in run.model.parameters())
    assert needed["weights"] == 4 * run.parameters
    assert needed["the best weights"] == (
        needed["weights"] if run.config.early_stopping.name != "none" else 0
    )
    assert (
        min(needed[f"a batch of {min(run.config.batch_size, len(run.data.train)):,}"], needed["gradients"])
        > 0
    )


def test_what_fits_is_let_through(tmp_path: Path) -> None:
    run = build(small(), HERE)
    require_memory(run, Settings(home=tmp_path))
    with pytest.raises(LimitError):
        require_memory(run, Settings(home=tmp_path).model_copy(update={"max_worker_mb": 0}))


def _allocate(answer: Any) -> None:
    limit_memory(200 * MEGABYTE)
    try:
        torch.empty(10**9)
    except Exception as error:
        answer.put(error_sentence(error, "Training"))
    else:
        answer.put("it fitted")


def test_an_allocation_beyond_the_limit_is_a_sentence() -> None:
    context = multiprocessing.get_context("forkserver")
    answer = context.Queue()
    process = context.Process(target=_allocate, args=(answer,))
    process.start()
    assert (
        answer.get(timeout=120) == "Training ran out of memory. Try a smaller model or a smaller batch size."
    )
    process.join(120)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to"
        ),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    ],
)
def test_memory_that_runs_out_while_training_fails_the_run_in_our_words(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(loop.Trainer, "end_epoch", fail)
    run = trained(store, tmp_path, {})
    assert (run.status, run.traceback) == ("failed", None)
    assert run.error == "Training ran out of memory. Try a smaller model or a smaller batch size."
    assert store.last_step(run.id, "step") > 0, "what was measured before is kept"


def test_a_worker_may_take_what_its_control_group_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import settings

    group = tmp_path / "a" / "b"
    group.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/a/b\n")
    monkeypatch.setattr(settings, "CGROUPS", tmp_path)
    monkeypatch.setattr(settings, "OWN_CGROUP", tmp_path / "own")
    machine = usable_memory()
    assert machine > 100 * MEGABYTE
    (group / "memory.max").write_text("max\n")
    assert usable_memory() == machine
    (tmp_path / "a" / "memory.max").write_text(f"{64 * MEGABYTE}\n")
    assert usable_memory() == 64 * MEGABYTE
    assert Settings(home=tmp_path).max_worker_mb == 64


def test_a_smaller_batch_size_is_held_to_the_points_of_a_run(store: Store, tmp_path: Path) -> None:
    config = small(batch_size=8, epochs=10)
    most = 10 * steps_per_epoch(config.changed({"batch_size": 4}))
    settings = Settings(home=tmp_path, max_run_points=most)
    run_id = store.create_run(config, "ann")
    with pytest.raises(StoreError, match=f"a run may have {most:,}"):
        request_change(store, settings, run_id, {"batch_size": 2}, by="ann")
    assert store.knob_changes(run_id) == []
    request_change(store, settings, run_id, {"batch_size": 4}, by="ann")
    request_change(store, settings, run_id, {"learning_rate": 0.1}, by="ann")
    assert len(store.knob_changes(run_id)) == 2
