"""One contract for every model: its network has exactly what it declares, and no other file knows it by name."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated

import pytest
import torch
from engine_runs import CPU, go, small
from test_diagnosis import flat, gradients, made
from torch import nn

from trainer.config import ConfigError, RunConfig
from trainer.diagnosis.fit import NARROW, widened
from trainer.diagnosis.setup import batch_norm_tiny_batch, dropout_before, suiting
from trainer.engine.network import build_model, has_matrix
from trainer.health.probe import Activations
from trainer.models.parts import Parts, narrow_knobs, sequential
from trainer.preflight.activation_hooks import hook_points, watched
from trainer.registry import families, find, knob, technique

ROOT = Path(__file__).parents[2]
MODELS = list(families()["model"].techniques)
KNOBS = find("dropout", "dropout").knobs
RATES = {item.place: (number + 1) / 10 for number, item in enumerate(KNOBS.values())}
SHAPES = {"image": ((1, 8, 8), 0), "sequence": ((9, 5), 0), "text": ((6,), 30)}
every_model = pytest.mark.parametrize("model", MODELS)


def kinds(model):
    return [kind for kind in SHAPES if kind in find("model", model).facts.get("accepts", SHAPES)]


def sizes(model):
    """The model's whole numbers at their least, at their default and beyond it."""
    counts = {item.name: item for item in find("model", model).knobs.values() if item.kind == "int"}
    yield {f"model.{name}": item.ge for name, item in counts.items()}
    yield {}
    yield {f"model.{name}": item.default + (item.step or 1) for name, item in counts.items()}


def network(model, kind=None, **values):
    shape, vocabulary = SHAPES[kind or kinds(model)[0]]
    flat = {key.replace("__", "."): value for key, value in values.items()}
    return build_model(RunConfig.from_flat({"model": model, **flat}), shape, 3, CPU, vocabulary)


def batch(kind):
    shape, vocabulary = SHAPES[kind]
    generator = torch.Generator().manual_seed(0)
    if vocabulary:
        return torch.randint(1, vocabulary, (4, *shape), generator=generator)
    return torch.randn(4, *shape, generator=generator)


def every_rate():
    return {f"dropout.{item.name}": RATES[item.place] for item in KNOBS.values()}


def places_in(net):
    """The places whose rates are found in a network, in its modules or in what they pass to a function."""
    modules = list(net.modules())
    rates = {module.p for module in modules if isinstance(module, nn.modules.dropout._DropoutNd)}
    rates |= {rate for module in modules if (rate := vars(module).get("dropout"))}
    return {place for place, rate in RATES.items() if rate in rates}


def in_front_of_norms(net, inputs):
    """The places whose dropout runs before a chosen norm does, in the order of the pass."""
    order = []
    for name, module in net.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            place = next(place for place, rate in RATES.items() if rate == module.p)
            module.register_forward_hook(lambda *_, place=place: order.append(place))
        elif name.rpartition(".")[2] == "norm":
            module.register_forward_hook(lambda *_: order.append("norm"))
    net.eval()(inputs)
    last = len(order) - order[::-1].index("norm") if "norm" in order else 0
    return tuple(place for place in dict.fromkeys(order[:last]) if place != "norm")


# -- what a model declares ---------------------------------------------------------------------------------------


@every_model
def test_a_model_declares_what_others_need(model):
    facts = find("model", model).facts
    assert {"places", "normalizes", "before_norm", "narrow"} <= facts.keys()
    assert set(facts["places"]) <= set(RATES)
    assert set(facts["normalizes"]) <= {0, 2}


def test_every_dropout_rate_has_a_place_of_its_own():
    assert "" not in RATES
    assert len(RATES) == len(KNOBS)
    assert {place for model in MODELS for place in find("model", model).facts["places"]} == set(RATES)


@every_model
def test_dropout_stands_at_the_declared_places_and_at_no_others(model):
    found = [
        places_in(network(model, kind, **every_rate(), **size))
        for kind in kinds(model)
        for size in sizes(model)
    ]
    declared = set(find("model", model).facts["places"])
    assert set().union(*found) == declared
    assert found[-1] == declared, "a network that is large enough has them all"


@every_model
def test_norms_are_asked_for_in_the_declared_dimensions(model):
    asked, declared = set(), find("model", model)

    def normalize(features, dimensions, activation):
        asked.add(dimensions)
        return {"activation": activation}

    shape, vocabulary = SHAPES[kinds(model)[0]]
    declared.function(shape, 3, Parts(normalize, nn.ReLU, lambda place: None, vocabulary))
    assert asked == set(declared.facts["normalizes"])
    assert bool(asked) != bool(declared.facts.get("own_normalization"))


@every_model
def test_dropout_in_front_of_a_norm_is_declared(model):
    for size in sizes(model):
        config = RunConfig.from_flat({"model": model, **size})
        declared = find("model", model).facts["before_norm"](config.model.knobs)
        try:
            net = network(model, **every_rate(), **size, normalization="layer")
        except ConfigError:  # it brings norms of its own
            assert declared == ()
            continue
        assert in_front_of_norms(net, batch(kinds(model)[0])) == declared, size


@every_model
def test_a_narrow_network_is_named_and_its_fix_is_wider(model):
    narrow = find("model", model).facts["narrow"]
    least, usual, _ = (
        RunConfig.from_flat({"model": model, "data": "digits", **size}) for size in sizes(model)
    )
    assert narrow(usual.model.knobs, NARROW) == ("", {})
    text, wider = narrow(least.model.knobs, NARROW)
    assert text
    fixed = least.changed({f"model.{name}": value for name, value in wider.items()})
    assert narrow(fixed.model.knobs, NARROW) == ("", {})


# -- where it can be observed ------------------------------------------------------------------------------------


@every_model
def test_every_hook_point_is_passed_once(model):
    for kind in kinds(model):
        net = network(model, kind, normalization="none", **every_rate())
        activations = Activations(net)
        assert activations.modules
        points = hook_points(net)
        assert set(points.values()) >= {name for name, module in net.named_modules() if has_matrix(module)}
        activations.attach()
        with watched(net) as (seen, _):
            net(batch(kind))
        activations.detach()
        assert len(activations.take()[0]) == len(activations.modules)
        assert sorted(one.seen_at for one in seen) == sorted(points)


@every_model
def test_a_layer_with_stacked_matrices_declares_its_gates(model):
    for module in network(model).modules():
        for name, weight in module.named_parameters(recurse=False):
            if name.startswith("weight_hh"):
                assert len(weight) == module.gates * module.hidden_size


# -- nothing else names it ---------------------------------------------------------------------------------------

OWN = ("models", "layers.py", "presets.py")
OBSERVERS = ("techniques", "health", "preflight", "diagnosis", "engine", "examples")
SOURCES = [
    path
    for folder in ("trainer", "pages")
    for path in (ROOT / folder).rglob("*.py")
    if path.relative_to(ROOT / folder).parts[0] not in OWN
]


def named_in(path):
    """Identifiers, imported names and whole strings of a source file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name | ast.Attribute | ast.alias):
            yield getattr(node, "id", getattr(node, "attr", getattr(node, "name", "")))


def test_no_other_file_names_a_model():
    names = {*MODELS, *(find("model", model).label for model in MODELS)}
    writers = (
        ROOT / "trainer" / "export" / "script"
    )  # which name torch's own layers, some of which models are called after
    others = [path for path in SOURCES if not path.is_relative_to(writers)]
    assert {path: found for path in others if (found := names & set(named_in(path)))} == {}
    for path in (ROOT / "pages").rglob("*.js"):
        text = path.read_text()
        assert not [name for name in names for quote in "\"'`" if f"{quote}{name}{quote}" in text], path


def test_no_technique_probe_or_rule_names_a_models_layers():
    module = ast.parse((ROOT / "trainer" / "layers.py").read_text())
    names = {node.name for node in module.body if isinstance(node, ast.ClassDef)} | {"RNNBase"}
    observers = [path for path in SOURCES if path.relative_to(ROOT).parts[1] in OBSERVERS]
    assert len(observers) > 40
    assert {path: found for path in observers if (found := names & set(named_in(path)))} == {}


# -- a model that only this file knows ---------------------------------------------------------------------------


class Gated(nn.Module):
    """Two matrices in one weight; one half opens or closes the other."""

    gates = 2
    hook_point = True

    def __init__(self, features, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.weight = nn.Parameter(torch.empty(2 * hidden_size, features))

    def forward(self, inputs):
        value, gate = nn.functional.linear(inputs, self.weight).chunk(2, 1)
        return value * gate.sigmoid()


class Sum(nn.Module):
    """A block that adds its input."""

    adds_input = True

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, inputs):
        return inputs + self.body(inputs)


def toy(
    inputs: tuple[int, ...],
    outputs: int,
    parts: Parts,
    *,
    units: Annotated[int, knob("Units", "Of the gated layer.", ge=1, le=64)] = 16,
) -> torch.nn.Module:
    """A gated layer and a block around a normalized one."""
    body = parts.block("linear", nn.Linear(units, units), units, 0) | parts.dropout("feedforward")
    return sequential(
        {
            **parts.dropout("recurrent"),
            "gated": Gated(inputs[0], units),
            "block": Sum(sequential(body)),
            "output": nn.Linear(units, outputs),
        }
    )


@pytest.fixture
def registered():
    technique(
        "model",
        label="Toy",
        places=("recurrent", "feedforward"),
        normalizes=(0, 2),
        before_norm=lambda _: ("recurrent",),
        recurrent=True,
        narrow=lambda knobs, least: narrow_knobs({"units": 16}, knobs, least),
    )(toy)
    yield find("model", "toy")
    del families()["model"].techniques["toy"]


@pytest.mark.usefixtures("registered")
def test_a_new_model_trains_with_its_health_and_preflight():
    results, log = go(small(model="toy", normalization="batch", dropout__feedforward_rate=0.2))
    assert results.stopped_by == "epochs"
    columns = set(log.samples[0])
    activations = {name.partition("/")[2] for name in columns if name.startswith("act_")}
    assert activations == {"gated", "block.body.activation"}
    matrices = {name.partition("/")[2] for name in columns if name.startswith("grad_norm")}
    assert matrices == {"gated", "block.body.linear", "output"}
    net = build_model(small(model="toy", normalization="batch"), (2,), 2, CPU)
    assert hook_points(net) == {
        "gated": "gated",
        "block": "block",
        "block.body.activation": "block.body.linear",
        "output": "output",
    }


@pytest.mark.usefixtures("registered")
def test_a_new_models_gates_are_initialized_one_by_one():
    net = build_model(small(model="toy", initialization="orthogonal"), (16,), 2, CPU)
    for gate in net.gated.weight.detach().chunk(2):
        torch.testing.assert_close(gate @ gate.T, torch.eye(16))
    net = build_model(small(model="toy", initialization="pytorch_default"), (1000,), 2, CPU)
    assert 0.24 < float(net.gated.weight.detach().abs().max()) <= 0.25, "±1/√hidden, whatever the fan"


@pytest.mark.usefixtures("registered")
def test_a_new_model_is_diagnosed_by_what_it_declares():
    rates = {"dropout.recurrent_rate": 0.5, "dropout.feedforward_rate": 0.5}
    run = made(
        {"model": "toy", "model.units": 2, "normalization": "batch", "batch_size": 2, **rates}, flat(0.6)
    )
    assert dropout_before(run.config) == {"dropout.recurrent_rate": 0.5}
    assert widened(run) == ("units 2", {"model.units": 16})
    assert suiting(run) == "orthogonal"
    plain = made({"model": "toy", "normalization": "batch", "batch_size": 2}, flat(0.6), flat(0.3))
    assert batch_norm_tiny_batch(plain).fix == {"normalization": "group"}
    assert not made({"model": "toy"}, flat(1.0), layers=gradients(1e-5, 1, 1, 1)).own_normalization
