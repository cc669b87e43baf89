"""Branches: what is kept to branch from, and that a branch goes on bit for bit where the other run was."""

from io import BytesIO
from pathlib import Path

import pytest
from engine_runs import STOP, Killed, Log, exact, go, same_weights, saved_weights, small, spoil_losses
from test_resume import BASE, comparable

from trainer.config import ConfigError, RunConfig
from trainer.engine import checkpoint, kept, loop
from trainer.engine.checkpoint import CheckpointError
from trainer.engine.kept import Why
from trainer.export.bundle import BundleError
from trainer.export.formats import FORMATS, ExportError
from trainer.export.unbundle import import_bundle, run_values
from trainer.lifecycle.branches import branched
from trainer.lifecycle.requests import Request, RequestKind
from trainer.processes.branching import branch as branch_run
from trainer.processes.control import Control
from trainer.processes.quota import kept_room
from trainer.processes.worker import train_attempt
from trainer.registry import families
from trainer.settings import Settings
from trainer.store import COMMAND_LINE, Store, StoreError

IMAGES = {
    "data": "digits",
    "model": "cnn",
    "model.channels": 2,
    "model.head": 8,
    "batch_size": 256,
    "epochs": 4,
}
AUGMENTING = {
    name: next(kind for kind in family.techniques if kind != "none")
    for name, family in families().items()
    if family.group == "augmentation"
}
DELIVERY = {"data": "delivery_time", "data.samples": 90, "optimizer": "adamw", "schedule": "plateau"}
KINDS = {
    "early stopping, dropout, batch norm": BASE,
    "one cycle and float16": {**BASE, "schedule": "one_cycle", "optimizer": "momentum", "precision": "fp16"},
    "regression, plateau": {**BASE, **DELIVERY},
    "augmentation and mixing": {**IMAGES, **AUGMENTING, "dropout.rate": 0.3, "label_smoothing.amount": 0.1},
}


@pytest.fixture(autouse=True)
def saving_each_epoch(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", -1.0)


class Marking:
    """A control that marks a step, and counts calls; then it may end the run."""

    def __init__(self, log, at, then=None):
        self.log, self.at, self.then, self.marked = log, at, then, False
        log.handled = self.handled

    def __call__(self):
        if len(self.log.steps) == self.at and not self.marked:
            return Request(RequestKind.MARK)
        return self.then() if self.then and len(self.log.steps) > self.at else None

    def handled(self, request):
        self.marked = True


def killed():
    raise Killed


def branch(config, chosen, folder, control=lambda: None, log=None):
    """Trains a branch; again after a kill, as its worker does."""
    if not folder.exists():
        kept.begin_at(chosen, folder)
    return go(config, folder, control, log=log, branched=True)


def marked_run(config, folder, step):
    log = Log()
    results, _ = go(config, folder, Marking(log, step), log=log)
    return results, log


@pytest.mark.parametrize("kind", KINDS)
def test_a_branch_without_changes_goes_on_bit_for_bit(tmp_path, kind):
    """From every kept checkpoint, one within an epoch included, and killed half-way once."""
    config = small().changed(KINDS[kind])
    results, log = marked_run(config, tmp_path / "parent", 7)
    found = [one for one in kept.kept(tmp_path / "parent") if one.epoch < results.epochs]
    assert {one.step for one in found if Why.MARKED in one.reasons} == {7}
    assert len(found) >= 3
    for place, one in enumerate(found):
        folder, first = tmp_path / str(place), Log()
        with pytest.raises(Killed):
            branch(config, one, folder, Marking(first, 2, killed), first)
        ended, rest = branch(config, one, folder)
        rows = {row["step"]: row for row in (*first.steps, *rest.steps)}
        assert min(rows) == one.step + 1
        assert exact(list(rows.values())) == exact(log.steps[one.step :])
        assert comparable(ended) == comparable(results)
        assert same_weights(saved_weights(folder), saved_weights(tmp_path / "parent"))


def test_the_last_checkpoint_goes_on_longer_as_if_it_had_never_ended(tmp_path):
    """Of a run whose best weights were restored, too: what is kept is what it had before."""
    config = small().changed({**BASE, "early_stopping.patience": 50, "epochs": 2})
    longer = config.changed({"epochs": 4})
    results, _ = go(config, tmp_path / "parent")
    assert results.restored_best
    expected, log = go(longer, tmp_path / "straight")
    last = kept.kept(tmp_path / "parent")[-1]
    assert Why.LAST in last.reasons
    ended, rest = branch(longer, last, tmp_path / "branch")
    assert exact(rest.steps) == exact(log.steps[last.step :])
    assert comparable(ended) == comparable(expected)


def test_without_early_stopping_a_branch_keeps_its_own_last_weights(tmp_path):
    config = small().changed({**BASE, "epochs": 3})
    go(config, tmp_path / "parent")
    chosen = kept.kept(tmp_path / "parent")[0]
    ended, _ = branch(config.changed({"early_stopping": "none"}), chosen, tmp_path / "branch")
    assert (ended.stopped_by, ended.restored_best) == ("epochs", False)


def test_a_branch_outlives_the_other_run_and_says_when_its_checkpoint_is_gone(tmp_path):
    results, _ = go(small(), tmp_path / "parent")
    kept.begin_at(kept.kept(tmp_path / "parent")[0], tmp_path / "branch")
    for path in [*(tmp_path / "parent").rglob("*.pt")]:
        path.unlink()
    ended, _ = go(small(), tmp_path / "branch", branched=True)
    assert comparable(ended) == comparable(results)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / checkpoint.ORIGIN).write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="is missing or damaged"):
        go(small(), tmp_path / "other", branched=True)


def test_an_ordinary_run_never_begins_at_a_file_that_was_left_over(tmp_path):
    go(small(), tmp_path / "parent")
    kept.begin_at(kept.kept(tmp_path / "parent")[0], tmp_path / "other")
    _, log = go(small(), tmp_path / "other")
    assert log.steps[0]["step"] == 1


def test_what_is_kept_of_a_run_is_bounded_and_evenly_spread(tmp_path):
    results, _ = go(small(epochs=40), tmp_path)
    found = kept.kept(tmp_path)
    epochs = [one.epoch for one in found if Why.EPOCH in one.reasons]
    assert len(epochs) == kept.MAX_EPOCHS
    gaps = [after - before for before, after in zip([0, *epochs], epochs, strict=False)]
    assert max(gaps) <= 2 * (40 / kept.MAX_EPOCHS)
    (best,) = [one for one in found if Why.BEST in one.reasons]
    assert best.step == results.best["step"]
    (last,) = [one for one in found if Why.LAST in one.reasons]
    assert (last.step, last.epoch) == (results.steps, 40)


@pytest.mark.parametrize("ending", ["epochs", "a loss that is not finite"])
def test_the_best_checkpoint_is_that_of_the_best_epoch_though_none_was_due_then(
    tmp_path, monkeypatch, ending
):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 1e9)
    config = small(epochs=8, learning_rate=0.2, dropout__rate=0.2, optimizer="momentum", schedule="plateau")
    if ending != "epochs":
        spoil_losses(monkeypatch, {46: float("nan")})
    results, log = go(config, tmp_path / "parent")
    best = kept.kept(tmp_path / "parent")[0]
    assert (Why.BEST in best.reasons, best.step) == (True, results.best["step"])
    monkeypatch.undo()
    _, rest = branch(config, best, tmp_path / "branch")
    before = len(log.steps) - (ending != "epochs")
    assert exact(rest.steps[: before - best.step]) == exact(log.steps[best.step : before])


def test_a_run_without_room_keeps_its_last_checkpoint_alone(tmp_path):
    _, log = go(small(), tmp_path, room=lambda: 0)
    assert [one.reasons for one in kept.kept(tmp_path)] == [(Why.LAST,)]
    assert log.notices == [], "nobody asked for more"


def test_a_marked_step_without_room_says_so_and_the_run_goes_on(tmp_path):
    log = Log()
    results, _ = go(small(), tmp_path, Marking(log, 3), log=log, room=lambda: 10)
    assert results.stopped_by == "epochs"
    assert any("This step is not kept" in notice for notice in log.notices)


def test_marked_steps_stay_when_others_make_room(tmp_path):
    log = Log()
    go(small(epochs=20), tmp_path, Marking(log, 3, lambda: STOP if len(log.steps) > 60 else None), log=log)
    kept.drop(tmp_path)
    assert [one.reasons for one in kept.kept(tmp_path)] == [(Why.MARKED,), (Why.LAST,)]


def test_other_files_among_the_kept_are_passed_over(tmp_path):
    go(small(), tmp_path)
    before = kept.kept(tmp_path)
    for name in ("1-1-0-0-epoch.tmp", "x-1-0-0-best.pt", "1-1-0-0-evil.pt", "1-1-0-0-epoch.pt.bak"):
        (tmp_path / kept.FOLDER / name).write_bytes(b"")
    assert kept.kept(tmp_path) == before
    assert kept.kept(Path("nowhere")) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"optimizer": "sgd"}, r"Optimizer \(optimizer\) is fixed .* Start a new run"),
        ({"seed": 1, "epochs": 300}, r"Seed \(seed\) is fixed"),
        ({"epochs": 12}, "12 epochs are trained at this checkpoint, and epochs is 12"),
        ({"early_stopping": "patience"}, "cannot begin in a branch"),
        ({"schedule": "range_test"}, "LR finder"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_a_branch_may_not_change_says_so(values, said):
    with pytest.raises(ConfigError, match=said):
        branched(RunConfig(), RunConfig(), 12, values)


def test_a_branch_keeps_apart_what_it_begins_with_and_what_changes_at_the_fork():
    start = RunConfig.from_flat({"early_stopping": "patience"})
    now = start.changed({"learning_rate": 0.01})
    made = branched(start, now, 3, {"epochs": 300, "early_stopping.patience": 20, "dropout.rate": 0.5})
    assert made.config == start.changed({"epochs": 300, "early_stopping.patience": 20})
    assert made.values == {"dropout.rate": 0.5}
    assert branched(start, now, 3, {}).values == {}


# -- with a store -----------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path):
    return Store(f"sqlite:///{tmp_path / 'trainscope.db'}"), Settings(home=tmp_path)


def trained(lab, run_id, *requests):
    store, settings = lab
    control = Control()
    for request in requests:
        control.request(request)
    train_attempt(store, run_id, store.claim(run_id), settings, control)
    assert store.run(run_id).status == ("stopped" if requests else "finished"), store.run(run_id).error
    return store.read_points(run_id, "step")


def test_the_knobs_of_a_branch_change_at_the_fork_and_not_later(lab):
    """Deleting the other run leaves the branch, and a branch of a branch keeps all that has changed."""
    store, settings = lab
    config = small(learning_rate=0.01, epochs=3)
    parent = store.create_run(config, "ann", "warm-up")
    first = trained(lab, parent)
    (_, middle, *_) = kept.kept(settings.run_folder(parent))
    run_id = branch_run(
        store, settings, parent, middle.step, {"learning_rate": 0.1, "batch_size": 16, "epochs": 4}, by="ann"
    )
    made = store.run(run_id)
    assert (made.parent_id, made.parent_step, made.number, made.name) == (parent, middle.step, 2, "")
    assert RunConfig.parse(made.config) == config.changed({"epochs": 4})
    assert [one.id for one in store.branches_of(parent)] == [run_id]
    store.delete(parent, by="ann")
    settings.remove_run_folder(parent)
    rest = trained(lab, run_id)
    assert rest.column("step")[0] == middle.step + 1
    assert (rest.column("lr") == 0.1).all()
    assert len(rest) < 2 * len(first) / 3, "larger batches take fewer steps"
    last = kept.kept(settings.run_folder(run_id))[-1]
    again = branch_run(store, settings, run_id, None, {"epochs": 5, "dropout.rate": 0.5}, by="ann")
    changes = store.knob_changes(again)
    assert [(one.number, one.step) for one in changes] == [(1, middle.step), (2, last.step)]
    more = trained(lab, again)
    assert (more.column("lr") == 0.1).all()
    assert store.run(again).changes == 2


def test_a_batch_size_within_an_epoch_waits_for_the_next(lab):
    store, settings = lab
    parent = store.create_run(small(), "ann")
    log = Log()
    go(small(), settings.run_folder(parent), Marking(log, 3), log=log)
    run_id = branch_run(store, settings, parent, 3, {"batch_size": 4}, by="ann")
    (change,) = store.knob_changes(run_id)
    per_epoch = len(log.steps) // 3
    assert change.step == per_epoch
    rest = trained(lab, run_id)
    assert rest.column("step")[0] == 4
    assert len(rest) == per_epoch - 3 + 2 * 11  # 42 samples in fours: 10 batches, and one of two


def test_who_may_branch_what(lab):
    store, settings = lab
    owners = {owner: store.create_run(small(), owner) for owner in ("ann", COMMAND_LINE)}
    for run_id in owners.values():
        go(small(), settings.run_folder(run_id))
    for owner, by in (("ann", "ann"), (COMMAND_LINE, "ann"), (COMMAND_LINE, "bob"), ("ann", COMMAND_LINE)):
        made = store.run(branch_run(store, settings, owners[owner], None, {"epochs": 5}, by=by))
        assert made.owner == by
    before = store.runs()
    with pytest.raises(StoreError, match="belongs to another visitor"):
        branch_run(store, settings, owners["ann"], None, {"epochs": 5}, by="bob")
    assert store.runs() == before
    assert not settings.run_folder(max(run.id for run in before) + 1).exists()


def test_what_cannot_be_branched_says_so(lab):
    store, settings = lab
    run_id = store.create_run(small(), "ann")
    with pytest.raises(StoreError, match="no checkpoint to branch from"):
        branch_run(store, settings, run_id, None, {}, by="ann")
    go(small(), settings.run_folder(run_id))
    with pytest.raises(StoreError, match=r"at step 5\. There are those at 6, 12, 18"):
        branch_run(store, settings, run_id, 5, {}, by="ann")
    with pytest.raises(ConfigError, match="Set epochs to more"):
        branch_run(store, settings, run_id, None, {}, by="ann")
    few = settings.model_copy(update={"max_run_points": 20})
    with pytest.raises(StoreError, match="points"):
        branch_run(store, few, run_id, None, {"epochs": 4}, by="ann")
    old = store.create_run({"knob": "of another version"}, "ann")
    go(small(), settings.run_folder(old))
    with pytest.raises(ConfigError, match="another version"):
        branch_run(store, settings, old, None, {}, by="ann")


def test_old_runs_make_room_for_the_checkpoints_of_new_ones(lab):
    store, settings = lab
    ids = [store.create_run(small(), "ann") for _ in range(3)]
    for run_id in ids[:2]:
        go(small(), settings.run_folder(run_id))
    taken = kept.kept_bytes(settings.run_folder(ids[0]))
    assert taken > 0
    plenty = settings.model_copy(update={"max_kept_mb": 10})
    assert kept_room(store, plenty, store.run(ids[2])) == 2_000_000
    assert kept.kept_bytes(settings.run_folder(ids[0])) == taken
    none = settings.model_copy(update={"max_kept_mb": 0})
    assert kept_room(store, none, store.run(ids[2])) == 0
    for run_id in ids[:2]:
        assert [one.reasons for one in kept.kept(settings.run_folder(run_id))] == [(Why.LAST,)]
        assert kept.kept_bytes(settings.run_folder(run_id)) == 0, "the run resumes from it as well"


def test_a_branch_is_exported_with_its_origin_and_resumed_elsewhere(lab, tmp_path):
    store, settings = lab
    parent = store.create_run(small(), "ann", "warm-up")
    straight = trained(lab, parent)
    chosen = kept.kept(settings.run_folder(parent))[0]
    run_id = branch_run(store, settings, parent, chosen.step, {}, by="ann")
    trained(lab, run_id, STOP)
    with pytest.raises(
        ExportError, match="began at a checkpoint of another, which only the exact script repeats"
    ):
        FORMATS["short"].write(store, settings, store.run(run_id))
    data = FORMATS["zip"].write(store, settings, store.run(run_id))
    there = Settings(home=tmp_path / "there")
    other = (Store(there.url), there)
    new = import_bundle(*other, BytesIO(data), "you")
    taken = other[0].run(new)
    assert (taken.parent_id, taken.parent_step) == (None, chosen.step)
    assert f"Branched from warm-up at step {chosen.step}." in taken.notices
    other[0].resume(new, by="you")
    rest = trained(other, new)
    assert exact(rest.column("loss").tolist()) == exact(straight.column("loss")[chosen.step :].tolist())
    for wrong in (-1, "7", True, 1.5):
        with pytest.raises(BundleError, match="which is no step"):
            run_values({"status": "stopped", "branched": wrong}, small())
