"""Runs that train together: every number is that of the run by itself, bit for bit, whatever happens to the others."""

import math

import pytest
import torch
from comparison_runs import begin, end_run
from engine_runs import (
    Killed,
    Log,
    asks,
    exact,
    fitting_data,
    go,
    same_weights,
    saved_weights,
    small,
)

from trainer.config import RunConfig
from trainer.engine import loop
from trainer.engine.build import build
from trainer.engine.loop import training
from trainer.engine.stack.network import StackedNetwork
from trainer.engine.stack.together import differ_in_seeds_only, train_together, why_alone
from trainer.health.observer import HealthObserver
from trainer.lifecycle.requests import Request, RequestKind
from trainer.processes.mates import MOST, claim_mates, later_replicates, share
from trainer.registry import families
from trainer.settings import Settings
from trainer.store import Store
from trainer.store.file_lock import FileLock
from trainer.store.queue import Replicate

FULL = {
    "model.layers": "16-8",
    "normalization": "batch",
    "dropout.rate": 0.3,
    "dropout.input_rate": 0.1,
    "clipping": "by_norm",
    "learning_rate": 0.02,
}


def seeds(config, count=3):
    return [config.changed({"seed": seed}) for seed in range(count)]


class Runs:
    """Some runs, trained together, with what each has reported."""

    def __init__(self, configs, folders=None, controls=None, change=lambda run: None, logs=None):
        self.logs = logs or [Log() for _ in configs]
        self.folders = folders or [None] * len(configs)
        self.controls = controls or [lambda: None] * len(configs)
        self.change = change
        first, *others = [self.steps(place, config) for place, config in enumerate(configs)]
        self.results = train_together(first, lambda _: others)

    def steps(self, place, config):
        log = self.logs[place]

        def observe(run, after):
            self.change(run)
            return HealthObserver(run, after, recorder=log)

        return training(
            config,
            data_folder=loop.Path("no-data-here"),
            run_folder=self.folders[place],
            recorder=log,
            control=self.controls[place],
            observe=observe,
        )


def told(results, log):
    """All that a run reports, without what depends on the clock."""
    kept = {
        name: value
        for name, value in results.to_dict().items()
        if not name.startswith(("seconds", "steps_per"))
    }
    return exact([kept, log.steps, log.epochs, log.samples, log.notices])


def assert_as_alone(runs, configs, places=None):
    for place in range(len(configs)) if places is None else places:
        assert told(runs.results[place], runs.logs[place]) == told(*go(configs[place])), f"run {place}"


def trained_together(runs):
    return [log.facts.get("together") for log in runs.logs]


TECHNIQUES = [
    (family, name)
    for family, one in families().items()
    if family not in ("data", "model", "precision") and one.group != "text"
    for name, item in one.techniques.items()
    if not item.facts.get("probe")
]


@pytest.mark.parametrize(("family", "name"), TECHNIQUES)
def test_every_technique_gives_the_numbers_of_separate_runs(family, name):
    item = families()[family].techniques[name]
    data = fitting_data(item)
    config = small(**{"epochs": 2, "dropout.rate": 0.2, **data, family: name})
    runs = Runs(seeds(config, 2))
    assert_as_alone(runs, seeds(config, 2))
    assert trained_together(runs) == [2, 2]


@pytest.mark.parametrize("members", [2, 5])
@pytest.mark.parametrize("values", [
    {"data": "delivery_time", "data.samples": 150, "batch_size": 32, "model.layers": "16-8"},  # one output
    {"activation": "gelu", "model.layers": "7-13", "batch_size": 9, "normalization": "batch"},  # no round numbers
    {"activation": "sigmoid", "model.layers": "100-100", "data.samples": 100, "clipping": "by_value"},
    {"model.layers": "", "model.depth": 0, "optimizer": "momentum", "schedule": "one_cycle"},
], ids=["regression", "odd sizes", "wide", "no hidden layer"])  # fmt: skip
def test_shapes_that_libraries_treat_differently(values, members):
    configs = seeds(small(**{**FULL, "epochs": 2, **values}), members)
    runs = Runs(configs)
    assert_as_alone(runs, configs)
    assert trained_together(runs) == [members] * members


def test_a_layer_is_shared_where_that_makes_no_difference_only(monkeypatch):
    """The trial sees a difference in the last bit, and then each run's own layer is called."""
    from trainer.engine.stack import network

    plain = network.linear

    def inexact(module, inputs, weight, bias):
        return plain(module, inputs, weight, bias) * (1 + torch.finfo(torch.float32).eps)

    monkeypatch.setattr(network, "linear", inexact)
    configs = seeds(small(**FULL, epochs=1))
    assert_as_alone(Runs(configs), configs)


def test_layers_of_usual_sizes_are_shared():
    runs = [build(config, loop.Path("no-data-here")) for config in seeds(small(**FULL, batch_size=32))]
    vectors = [run.weights.parameters[0] for run in runs]
    stack = StackedNetwork([run.model for run in runs], vectors, [torch.Generator() for _ in runs])
    stack(torch.randn(3, 32, 2))
    shared = [known for layer in stack.layers for known in getattr(layer, "known", {}).values()]
    assert (
        shared[:6] == [True] * 6
    )  # two linear layers, norms and activations; the last layer may be too narrow


def test_early_stopping_ends_each_run_at_its_own_epoch():
    config = small(**FULL, epochs=12, early_stopping="patience", early_stopping__patience=1)
    configs = seeds(config, 4)
    runs = Runs(configs)
    assert len({results.epochs for results in runs.results}) > 1
    assert_as_alone(runs, configs)


def test_one_that_diverges_fails_alone():
    configs = seeds(small(**FULL))
    plain = []

    def spoil(run):
        if run.config.seed == 1:
            loss = run.loss

            def spoiled(outputs, targets):
                plain.append(loss(outputs, targets))
                return plain[-1] * (math.inf if len(plain) == 7 else 1)

            run.loss = spoiled

    runs = Runs(configs, change=spoil)
    assert runs.results[1].stopped_by == "non_finite_loss"
    assert "at step 7" in runs.results[1].error
    assert len(runs.logs[1].steps) == 7
    assert_as_alone(runs, configs, [0, 2])


@pytest.mark.parametrize("request_", ["stop", "pause", "interrupt"])
def test_one_that_leaves_goes_on_exactly_and_the_others_too(tmp_path, request_):
    configs = seeds(small(**FULL))
    folders = [tmp_path / str(place) for place in range(3)]
    runs = Runs(configs, folders, [lambda: None, asks(request_, [8]), lambda: None])
    assert runs.results[1].stopped_by == request_
    assert len(runs.logs[1].steps) == 8
    assert_as_alone(runs, configs, [0, 2])
    straight, log = go(configs[1], tmp_path / "straight")
    results, after = go(configs[1], folders[1])
    assert exact(runs.logs[1].steps + after.steps) == exact(log.steps)
    assert results.test == straight.test
    assert same_weights(saved_weights(folders[1]), saved_weights(tmp_path / "straight"))


def test_killed_runs_resume_together_from_wherever_each_has_saved(tmp_path, monkeypatch):
    """The checkpoints stand at different epochs; whoever is behind catches up, and all end as if nothing had been."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0)
    config = small(**FULL, epochs=4)
    configs, folders = seeds(config), [tmp_path / str(place) for place in range(3)]
    go(configs[1], folders[1], asks("stop", [9]))
    with pytest.raises(Killed):
        Runs(configs, folders, [asks("kill", [20]), lambda: None, lambda: None])
    (folders[2] / "checkpoint.pt").unlink()  # its previous one is an epoch older
    runs = Runs(configs, folders)
    assert trained_together(runs) == [3, 3, 3]
    for place, config in enumerate(configs):
        results, log = go(config, tmp_path / f"straight {place}")
        assert exact(runs.logs[place].steps) == exact(log.steps[-len(runs.logs[place].steps) :])
        assert len(runs.logs[place].steps) < len(log.steps)
        assert runs.results[place].test == results.test
        assert same_weights(saved_weights(folders[place]), saved_weights(tmp_path / f"straight {place}"))


def test_knobs_of_one_change_while_the_others_train_as_they_did():
    configs = seeds(small(**FULL))
    values = {"dropout.rate": 0.5, "learning_rate": 0.1}
    request = Request(RequestKind.CHANGE, {"number": 1, "values": values, "step": 5})
    changed, alone = Taking(request), Taking(request)
    runs = Runs(configs, controls=[lambda: None, changed.next, lambda: None], logs=[Log(), changed, Log()])
    assert_as_alone(runs, configs, [0, 2])
    assert changed.next() is None
    assert told(runs.results[1], changed) == told(*go(configs[1], control=alone.next, log=alone))


class Taking(Log):
    """A log with a request to the run, until the loop has answered it."""

    def __init__(self, request):
        super().__init__()
        self.waiting = [request]

    def next(self):
        return self.waiting[0] if self.waiting else None

    def handled(self, request):
        self.waiting.clear()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"precision": "bf16"}, "16-bit"),
        ({"pace": 50}, "slow motion"),
        ({"model.layers": "300-300"}, "large"),
        ({"data": "digits", "model": "cnn"}, "fully connected"),
        ({"data": "digits", "model": "lstm"}, "fully connected"),
        ({"normalization": "group"}, None),
    ],
)
def test_what_trains_alone_says_why(values, reason):
    base = {"data": values["data"], "model": values["model"]} if "model" in values else {}
    config = small(**base).changed({one: value for one, value in values.items() if one not in base})
    said = why_alone(build(config, loop.Path("no-data-here")))
    assert said is None if reason is None else reason in said


def test_runs_that_differ_in_more_than_seeds_train_one_after_another():
    configs = [small(**FULL), small(**FULL, seed=1), small(**FULL, seed=2).changed({"learning_rate": 0.001})]
    assert differ_in_seeds_only(configs[0], configs[1])
    assert differ_in_seeds_only(configs[0], configs[0].changed({"seed.dropout": 4}))
    assert not differ_in_seeds_only(configs[0], configs[2])
    runs = Runs(configs)
    assert_as_alone(runs, configs)
    assert trained_together(runs) == [2, 2, None]


def test_runs_whose_networks_differ_train_one_after_another(monkeypatch):
    """A network of another size stands for an upload with a category that only one training part shows."""
    configs = seeds(small(**FULL), 2)
    real = loop.build

    def narrower(config, *rest):
        run = real(config.changed({"model.layers": "12-8"}) if config.seed == 1 else config, *rest)
        run.config = run.start = config
        return run

    monkeypatch.setattr(loop, "build", narrower)
    runs = Runs(configs)
    assert_as_alone(runs, configs)
    assert trained_together(runs) == [None, None]


@pytest.mark.parametrize(
    ("waiting", "training", "others", "workers", "count"),
    [
        (7, 0, 0, 2, 4),  # eight seeds of one arm: a half for each worker
        (3, 4, 0, 2, 4),  # the other worker has its half already
        (7, 0, 48, 2, 8),  # six more arms wait
        (19, 0, 0, 1, MOST),
        (1, 0, 0, 8, 1),
        (0, 0, 0, 1, 1),
    ],
)
def test_each_worker_takes_its_share(waiting, training, others, workers, count):
    alike = [Replicate(number, number < waiting, True) for number in range(waiting + training)]
    rest = [Replicate(100 + number, True, False) for number in range(others)]
    assert share([*alike, *rest], workers) == count
    assert [one.run_id for one in later_replicates([*alike, *rest])] == list(reversed(range(waiting)))


def test_replicates_are_those_of_the_comparison_unless_each_runs_seconds_count(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    members = store.members(begin(store, seeds=3))
    ours, training, over = (one.run for one in members if one.arm == 1)
    assert store.claim(training.id)
    end_run(store, over, 0.5)
    found = store.replicates(ours.id)
    assert [one.run_id for one in found] == [
        one.run.id for one in members if one.run.id not in (ours.id, over.id)
    ]
    assert [one.run_id for one in found if one.same_arm] == [training.id]
    assert [one.run_id for one in found if not one.waits] == [training.id]
    timed = store.members(begin(store, until=5, unit="seconds", measure="val_loss"))
    assert store.replicates(timed[0].run.id) == []
    assert store.replicates(store.create_run({}, "ada")) == []


def test_claims_pass_over_what_another_process_holds(tmp_path):
    """Of four replicates one worker takes two; one more is locked, and stays in the queue."""
    settings = Settings(home=tmp_path, database_url="", max_workers=1)
    store = Store(settings.url)
    first, second, locked, last = (one.run.id for one in store.members(begin(store, seeds=4)) if one.arm == 0)
    run = build(RunConfig.parse(store.run(first).config), settings.data)
    store.claim(first)
    held = FileLock(settings.run_folder(locked) / "lock")
    assert held.acquire()
    claims = list(claim_mates(store, settings, first, run))
    held.release()
    assert [one.run_id for one in claims] == [last, second]
    assert store.run(locked).status == "queued"
    assert all(one.lock.still_held() for one in claims)
    for one in claims:
        one.lock.release()
