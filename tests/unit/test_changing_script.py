"""The exact script of a run whose knobs changed while it trained, and of a branch, prints what the lab recorded, bit for bit."""

from datetime import UTC, datetime

import pytest
from engine_runs import STOP, Log, go, small
from test_branches import Marking, trained
from test_hot_knobs import CHANGES, RATES, train
from test_script import lines

from trainer.config import RunConfig
from trainer.engine import kept, loop
from trainer.export.bundle import BundleError
from trainer.export.formats import FORMATS, ExportError
from trainer.export.script import exact_script
from trainer.export.script.changing import History
from trainer.export.unbundle import forks_of
from trainer.lifecycle.hot_knobs import KnobChange
from trainer.processes.branching import branch as branch_run
from trainer.registry import families
from trainer.settings import Settings
from trainer.store import Store

NOW = datetime.now(UTC)
SCHEDULES = [name for name, one in families()["schedule"].techniques.items() if not one.facts.get("probe")]
CLIPPING = [name for name in families()["clipping"].techniques if name != "none"]
KINDS = {
    **{name: [(7, values)] for name, values in CHANGES.items()},
    **{f"schedule {name}": [(7, {"schedule": name})] for name in SCHEDULES if name != "constant"},
    **{f"clipping {name}": [(3, {"clipping": name})] for name in CLIPPING},
    "before the first step": [(0, {"learning_rate": 0.1, "dropout.rate": 0.4, "optimizer.weight_decay": 0.2})],
    "twice at one step": [(5, {"learning_rate": 0.1}), (5, {"learning_rate": 0.003, "clipping": "by_value"})],
    "there and back": [
        (4, {"dropout.rate": 0.5, "schedule": "one_cycle"}),
        (9, {"dropout.rate": 0.0, "schedule": "constant"}),
        (13, {"batch_size": 16, "optimizer.weight_decay": 0.1}),
        (14, {"clipping": "by_norm", "clipping.max_norm": 0.05, "label_smoothing.amount": 0.1}),
        (19, {"batch_size": 5}),
    ],
}  # fmt: skip
"""What is asked for, after how many steps."""
BEGINNINGS = {
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01, "epochs": 5},
    "all on, with momentum": {
        "optimizer": "momentum", "normalization": "batch", "dropout.rate": 0.3, "schedule": "one_cycle",
        "clipping": "by_norm", "label_smoothing.amount": 0.2, "early_stopping": "patience", "epochs": 5,
    },
}  # fmt: skip


def applied(planned, requests):
    """The changes as the store keeps them once a worker has applied them."""
    return [
        KnobChange(number, planned[number - 1][1], NOW, request.payload["step"])
        for number, request in enumerate(requests, start=1)
    ]


def check_changed(config, planned, runner, folder):
    requests = [(step, number, values) for number, (step, values) in enumerate(planned, start=1)]
    results, log, handled = train(config, requests)
    assert len(handled) == len(planned)
    text = exact_script(config, "A run", results.to_dict(), History(applied(planned, handled)))
    code, printed = runner(text, folder)
    assert printed == lines(results, log)
    assert code == 0
    return text


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        *((kind, "all on, with momentum") for kind in KINDS),
        ("there and back", "adamw"),
        ("weight decay", "adamw"),
    ],
)
def test_each_kind_of_change_leaves_with_the_same_numbers(kind, beginning, runner, tmp_path):
    check_changed(small().changed(BEGINNINGS[beginning]), KINDS[kind], runner, tmp_path)


@pytest.mark.parametrize("model", list(families()["model"].techniques))
@pytest.mark.parametrize("on", [True, False])
def test_dropout_that_comes_or_goes_in_every_model(model, on, runner, tmp_path):
    none = small(data="digits", model=model, batch_size=512, epochs=2)
    before, values = (none, RATES) if on else (none.changed(RATES), dict.fromkeys(RATES, 0.0))
    check_changed(before, [(1, values)], runner, tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"data": "delivery_time", "data.samples": 77, "schedule": "plateau", "schedule.patience": 0},
        {"data": "digits", "model": "cnn", "batch_size": 512, "mixing": "mixup", "precision": "fp16"},
        {"data": "reviews", "data.samples": 60, "model": "transformer"},
    ],
    ids=["regression", "images, mixed, float16", "words"],
)
def test_changes_on_other_data(values, runner, tmp_path):
    planned = [
        (1, {"learning_rate": 0.02, "dropout.rate": 0.4}),
        (2, {"schedule": "cosine", "batch_size": 40}),
    ]
    check_changed(
        small(epochs=4, **{key.replace(".", "__"): one for key, one in values.items()}),
        planned,
        runner,
        tmp_path,
    )


def test_a_change_that_makes_the_loss_explode_ends_at_the_same_step(runner, tmp_path, monkeypatch):
    config = small(
        data="delivery_time", optimizer="sgd", initialization="too_large", learning_rate=1e-6, epochs=50
    )
    results, log, handled = train(config, [(9, 1, {"learning_rate": 10})])
    assert results.stopped_by == "non_finite_loss"
    planned = [(9, {"learning_rate": 10})]
    code, printed = runner(exact_script(config, "", None, History(applied(planned, handled))), tmp_path)
    assert code == 1
    told, *epochs = printed
    assert told.startswith(f"step {log.steps[-1]['step']}: loss")
    assert epochs == lines(results, log)[: len(log.epochs)] != []


def test_the_script_says_what_changed_and_has_nothing_of_it_else():
    config = RunConfig()
    changes = [KnobChange(1, {"learning_rate": 0.01}, NOW, 500), KnobChange(2, {"batch_size": 64}, NOW, None)]
    text = exact_script(config, history=History(changes))
    assert "Its knobs changed while it trained: Learning rate 0.001 → 0.01 at step 500." in " ".join(
        text.split()
    )
    assert '500: {"learning_rate": 0.01}' in text
    assert "take_dropout" not in text, "dropout stays as it is"
    assert exact_script(config, history=History(changes[1:])) == exact_script(config), (
        "what was never applied"
    )


def test_a_thousand_changes_leave_in_one_script(runner, tmp_path):
    config = small(epochs=2)
    changes = [KnobChange(one, {"learning_rate": 0.001 * one}, NOW, one // 100) for one in range(1, 1001)]
    text = exact_script(config, history=History(changes))
    assert "and 980 more" in text
    assert runner(text, tmp_path)[0] == 0


# -- branches ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", -1.0)
    return Store(f"sqlite:///{tmp_path / 'trainscope.db'}"), Settings(home=tmp_path)


def script_of(lab, run_id):
    store, settings = lab
    return FORMATS["script"].write(store, settings, store.run(run_id)).decode()


def recorded(store, run_id):
    """What the lab recorded of a run's own epochs and its end, as a script prints it."""
    run = store.run(run_id)
    results = run.results
    points = store.read_points(run_id, "epoch")
    rows = [dict(zip(points.columns, row, strict=True)) for row in points.array.tolist()]
    for row in rows:
        row["epoch"] = int(row["epoch"])

    class Ended:
        metric, restored_best, best = results["metric"], results["restored_best"], results["best"]
        validation, test = results["validation"], results["test"]

    log = Log()
    log.epochs = rows
    return lines(Ended, log)


def check_branch(lab, run_id, runner, folder):
    """The script prints the epochs before the branch, too, and then the branch's own numbers."""
    expected = recorded(lab[0], run_id)
    code, printed = runner(script_of(lab, run_id), folder)
    assert code == 0, "\n".join(printed)
    assert printed[-len(expected) :] == expected
    return printed


BASES = {
    "a plain run": {},
    "cosine": {"schedule": "cosine", "optimizer": "adamw"},
    "one cycle": {"schedule": "one_cycle", "optimizer": "momentum", "dropout.rate": 0.2},
    "warmup and batch norm": {"schedule": "warmup_cosine", "normalization": "batch", "clipping": "by_norm"},
    "early stopping": {"early_stopping": "patience", "early_stopping.patience": 1, "learning_rate": 0.2, "epochs": 12},
}  # fmt: skip
AT_FORK = {
    "nothing": {},
    "more epochs": {"epochs": 20},
    "other knobs": {"epochs": 20, "learning_rate": 0.05, "dropout.rate": 0.5, "schedule": "polynomial"},
    "a batch size": {"epochs": 20, "batch_size": 16},
}


@pytest.mark.parametrize(
    ("base", "change"),
    [*((base, "other knobs") for base in BASES), *(("cosine", change) for change in AT_FORK)],
)
def test_a_branch_leaves_with_the_same_numbers(lab, base, change, runner, tmp_path):
    """From a step within an epoch, and of a branch of it; also once the runs before it are deleted."""
    store, settings = lab
    config = small(learning_rate=0.01).changed(BASES[base])
    parent = store.create_run(config, "ann")
    log = Log()
    go(config, settings.run_folder(parent), Marking(log, 9), log=log)
    child = branch_run(store, settings, parent, 9, AT_FORK[change], by="ann")
    trained(lab, child)
    check_branch(lab, child, runner, tmp_path / "child")
    middle = next(one for one in kept.kept(settings.run_folder(child)) if one.step > 9)
    again = branch_run(store, settings, child, middle.step, {"epochs": 25, "learning_rate": 0.002}, by="ann")
    trained(lab, again)
    assert [fork[0] for fork in store.run(again).forks] == [9, middle.step]
    before = script_of(lab, again)
    for run_id in (parent, child):
        store.delete(run_id, by="ann")
        settings.remove_run_folder(run_id)
    assert script_of(lab, again) == before
    check_branch(lab, again, runner, tmp_path / "again")


def test_a_branch_of_a_run_that_early_stopping_ended_trains_on(lab, runner, tmp_path):
    """Early stopping would have ended it at once; it decides again after the branch's first epoch."""
    store, settings = lab
    config = small(
        early_stopping="patience", early_stopping__patience=2, learning_rate=0.5, optimizer="adamw", epochs=40
    )
    parent = store.create_run(config, "ann")
    trained(lab, parent)
    assert store.run(parent).results["stopped_by"] == "early_stopping"
    child = branch_run(store, settings, parent, None, {}, by="ann")
    trained(lab, child)
    check_branch(lab, child, runner, tmp_path / "same")
    off = branch_run(store, settings, parent, None, {"early_stopping": "none", "epochs": 20}, by="ann")
    trained(lab, off)
    check_branch(lab, off, runner, tmp_path / "off")


def test_changes_before_and_after_a_branch_and_a_resume_between(lab, runner, tmp_path):
    store, settings = lab
    parent = store.create_run(small(learning_rate=0.01, epochs=4), "ann")
    store.change_knobs(parent, {"learning_rate": 0.05, "dropout.rate": 0.3}, by="ann")
    trained(lab, parent)
    step = kept.kept(settings.run_folder(parent))[1].step
    child = branch_run(store, settings, parent, step, {"epochs": 8, "schedule": "cosine"}, by="ann")
    trained(lab, child, STOP)
    store.resume(child, by="ann")
    store.change_knobs(child, {"clipping": "by_norm", "clipping.max_norm": 0.01, "batch_size": 16}, by="ann")
    trained(lab, child)
    assert store.run(child).changes == 3
    text = script_of(lab, child)
    assert f"It branched at step {step}." in " ".join(text.split())
    check_branch(lab, child, runner, tmp_path / "child")


def test_a_branch_leaves_from_another_installation_too(lab, runner, tmp_path):
    from io import BytesIO

    from trainer.export.unbundle import import_bundle

    store, settings = lab
    parent = store.create_run(small(schedule="cosine"), "ann")
    trained(lab, parent)
    child = branch_run(store, settings, parent, 12, {"epochs": 5}, by="ann")
    trained(lab, child)
    data = FORMATS["zip"].write(store, settings, store.run(child))
    there = Settings(home=tmp_path / "there")
    other = (Store(there.url), there)
    new = import_bundle(*other, BytesIO(data), "you")
    assert [tuple(one) for one in other[0].run(new).forks] == [(12, 3)]
    check_branch(other, new, runner, tmp_path / "new")


def test_a_branch_of_an_earlier_version_says_why_it_has_no_script(lab):
    store, settings = lab
    parent = store.create_run(small(), "ann")
    trained(lab, parent)
    child = branch_run(store, settings, parent, 6, {"epochs": 4}, by="ann")
    trained(lab, child)
    with pytest.raises(ExportError, match="only the exact script repeats"):
        FORMATS["short"].write(store, settings, store.run(child))
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE runs SET forks = NULL")
    grandchild = branch_run(store, settings, child, None, {"epochs": 6}, by="ann")
    for name in ("short", "script"):
        for run_id in (child, grandchild):
            with pytest.raises(ExportError, match="did not record how many epochs"):
                FORMATS[name].write(store, settings, store.run(run_id))


WRONG_FORKS = [
    "x",
    [],
    [7],
    [[7]],
    [[7, 0]],
    [[7, 3.0]],
    [[8, 3]],
    [[9, 3], [7, 3]],
    [[-1, 3], [7, 3]],
    [[True, 3], [7, 3]],
]


@pytest.mark.parametrize("wrong", WRONG_FORKS)
def test_forks_that_lead_to_no_branch_are_refused(wrong):
    with pytest.raises(BundleError, match="fork"):
        forks_of(wrong, 7)
    assert forks_of([[5, 3], [7, 9]], 7) == [[5, 3], [7, 9]]
    assert forks_of(None, 7) is None
