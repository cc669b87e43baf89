"""The diagnosis on a run's card and in its details: findings in words, and a button that starts the twin."""

import numpy as np
import pytest
from page_testing import VISITOR, has, messages, text_of, widget

from pages.widgets import diagnosis_cache
from trainer.config import RunConfig, diff
from trainer.diagnosis import IMPOSSIBLE, rules
from trainer.metrics.registry import columns
from trainer.store import Batch

STEP_COLUMNS, EPOCH_COLUMNS = columns("step"), columns("epoch")

SICK = {"learning_rate": 1.0, "epochs": 20, "seed": 5, "schedule": "cosine", "schedule.final_lr": 0.1}
FIX = "lr_too_high"


def trained(store, values, losses, status="finished", epochs=None):
    """A run with these losses for each of its epochs."""
    run_id = store.create_run(RunConfig.from_flat(values), VISITOR)
    attempt = store.claim(run_id)
    losses, per_epoch = np.array(losses, float), 20
    steps = np.zeros((len(losses) * per_epoch, len(STEP_COLUMNS)))
    steps[:, 0] = np.arange(1, len(steps) + 1)
    steps[:, STEP_COLUMNS.index("loss")] = np.repeat(losses, per_epoch)
    rows = np.zeros((len(losses), len(EPOCH_COLUMNS)))
    rows[:, 0] = per_epoch * np.arange(1, len(losses) + 1)
    rows[:, EPOCH_COLUMNS.index("train_loss")] = rows[:, EPOCH_COLUMNS.index("val_loss")] = losses
    batches = [Batch("step", STEP_COLUMNS, steps), Batch("epoch", EPOCH_COLUMNS, rows)]
    store.record(run_id, attempt, batches, {"epoch": len(losses), "epochs": epochs or len(losses)})
    if status != "running":
        store.finish(run_id, attempt, status, results={"stopped_by": "epochs", "best": {}, "test": {}})
    return run_id


def flat(level, epochs=20):
    return [level] * epochs


def test_a_finding_is_told_with_its_evidence(lab):
    trained(lab.store, SICK, flat(2.4))
    written = text_of(lab.open())
    assert "Learning rate too high" in written
    assert "while guessing has a loss of 2.3" in written
    assert "0.001 is usual for this optimizer" in written
    assert "No problems found" not in written


def test_a_link_compares_with_and_without_the_fix(lab):
    sick = trained(lab.store, SICK, flat(2.4))
    app = lab.go(lab.open(baseline=str(sick), fix=FIX), "experiments")
    assert not {"baseline", "fix"} & app.query_params.keys()
    assert not messages(app, "warning")
    app = widget(app, "what-if-start").click().run()
    assert not app.exception
    (found,) = lab.store.comparisons((VISITOR,))
    baseline, fixed = (RunConfig.parse(arm["config"]) for arm in found.design["arms"])
    assert baseline == RunConfig.from_flat(SICK)
    assert {change.key for change in diff(baseline, fixed)} == {"learning_rate", "schedule.final_lr"}
    assert len(found.design["seeds"]) == 6


def test_a_link_to_a_fix_of_what_was_not_found_says_so(lab):
    sound = trained(lab.store, {"epochs": 20}, np.linspace(2.3, 0.1, 20))
    app = lab.go(lab.open(baseline=str(sound), fix="<b>x</b>"), "experiments")
    assert "finds no <b>x</b> in this run" in messages(app, "warning")[0]
    assert widget(app, "what-if-start").disabled


def test_the_button_starts_the_twin_with_the_fix_alone(lab):
    sick = trained(lab.store, SICK, flat(2.4))
    app = lab.open()
    widget(app, f"fix-{sick}-{FIX}").click().run()
    assert not app.exception
    twin = next(run for run in lab.runs() if run.id != sick)
    changes = diff(RunConfig.parse(lab.store.run(sick).config), RunConfig.parse(twin.config))
    assert {change.key for change in changes} == {"learning_rate", "schedule.final_lr"}
    assert RunConfig.parse(twin.config).seed == 5
    assert twin.status == "queued"
    assert "Learning rate too high" in twin.notes
    assert {sick, twin.id} <= set(app.session_state["chart-selection"])
    assert widget(app, f"fix-{sick}-{FIX}").disabled
    assert f"Started as Run {twin.number}" in text_of(app)


def test_a_healthy_run_is_told_so_quietly_and_a_short_one_nothing(lab):
    trained(lab.store, {"epochs": 20}, np.geomspace(2, 0.1, 20))
    app = lab.open()
    assert "No problems found" in text_of(app)
    assert not [button for button in app.button if str(button.key).startswith("fix-")]


def test_too_short_a_run_is_not_called_sound(lab):
    trained(lab.store, {"epochs": 2}, flat(2.3, 2))
    assert "No problems found" not in text_of(lab.open())


def test_the_runs_page_tells_it_too(lab):
    sick = trained(lab.store, SICK, flat(2.4))
    app = lab.go(lab.open(), "runs")
    app.query_params["run"] = str(sick)
    app.run()
    assert "Learning rate too high" in text_of(app)
    widget(app, f"fix-{sick}-{FIX}").click().run()
    assert len(lab.runs()) == 2
    assert "tries the fix" in app.toast[0].value


def test_a_running_run_is_judged_at_milestones(lab):
    early = trained(lab.store, {**SICK, "epochs": 100}, flat(2.4, 6), "running", epochs=100)
    later = trained(lab.store, {**SICK, "epochs": 100}, flat(2.4, 7), "running", epochs=100)
    app = lab.open()
    assert not has(app, f"fix-{early}-{FIX}")
    assert has(app, f"fix-{later}-{FIX}")


@pytest.mark.parametrize("values", [{"schedule": "range_test"}, {"pace": 50}])
def test_what_is_not_meant_to_be_judged_is_not(lab, values):
    trained(lab.store, {"epochs": 20, "learning_rate": 1.0, **values}, flat(2.4))
    written = text_of(lab.open())
    assert "too high" not in written
    assert "No problems found" not in written


def test_a_rerun_reads_no_series_again(lab, monkeypatch):
    for _ in range(3):
        trained(lab.store, SICK, flat(2.4))
    app = lab.open()

    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(diagnosis_cache, "gather", refuse)
    app.run()
    assert not app.exception
    assert "Learning rate too high" in text_of(app)


def test_the_reference_lists_every_failure_and_the_one_that_cannot_happen(lab):
    app = lab.go(lab.open(), "reference")
    assert not app.exception
    written = text_of(app)
    for title in [rule.title for rule in rules().values()] + list(IMPOSSIBLE):
        assert title in written
    assert "nothing to call at the wrong time" in written
