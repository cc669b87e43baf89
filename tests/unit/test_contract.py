"""One contract for every registered technique, found from the registry: adding one adds it here."""

import math
import re
from pathlib import Path

import own_files
import pytest
import text_files
import vision_files
from engine_runs import exact, fitting_data, go, small

from trainer.config import RunConfig, diff
from trainer.metrics.registry import metrics
from trainer.registry import families

ALL = [(family.name, name) for family in families().values() for name in family.techniques]
each = pytest.mark.parametrize(("family", "name"), ALL, ids=["-".join(pair) for pair in ALL])


def technique(family, name):
    return families()[family][name]


def using(family, name, folder, **more):
    """The smallest run that uses a technique, with the files or images that it needs."""
    item, values = technique(family, name), {family: name, "epochs": 2}
    if family == "data" and "samples" not in item.knobs:
        values["batch_size"] = 512
    if family == "data" and item.facts["kind"] == "sequence":
        values |= {"model": "rnn", "data.length": 6}
    if family == "data" and "files" in item.facts:
        vision_files.write(name, folder)
    if own := item.facts.get("own"):
        file = own_files.csv_bytes() if own == "table" else own_files.zip_bytes(own_files.image_files())
        values |= own_files.added_values(file)
    if family != "data":
        values |= fitting_data(item)
    if "needs" in item.facts:
        text_files.write(family, folder)
    return small(**values, **more)


@each
def test_help_and_knobs_are_whole(family, name):
    item = technique(family, name)
    assert len(item.help) > 10
    assert item.help[-1] == "."
    assert item.label
    for knob in item.knobs.values():
        assert knob.label, knob.name
        assert knob.help.endswith("."), knob.name
        assert knob.adapter.validate_python(knob.default) == knob.default
        assert type(knob.default) in {"float": (float, int), "int": (int,)}.get(
            knob.kind, (type(knob.default),)
        )
        if knob.kind in ("int", "float"):
            assert knob.ge is not None or knob.gt is not None, f"{knob.name} has no lower bound"
            assert knob.le is not None or knob.lt is not None, f"{knob.name} has no upper bound"
            assert knob.bounds
        if knob.kind == "choice":
            assert knob.default in knob.choices


@each
def test_its_facts_fit_the_reference(family, name):
    facts = technique(family, name).facts
    assert facts["formula"].count("{") == facts["formula"].count("}")
    for text in (facts["when"], facts.get("misconception", ".")):
        assert text.endswith((".", "”"))
        assert len(text) < 500
    if "source" in facts:
        assert "link" in facts or re.search(r"arXiv:\d{4}\.\d{4,5}$", facts["source"])
        assert facts.get("link", "https://").startswith("https://")
    assert set(facts.get("example", ())) <= set(technique(family, name).knobs)


@each
def test_round_trips(family, name):
    values = fitting_data(technique(family, name))
    config = RunConfig.from_flat({**values, family: name})
    assert config.flat()[family] == name
    assert RunConfig.from_json(config.to_json()) == config
    assert RunConfig.from_flat(config.flat()) == config
    texts = {key: "" if value is None else str(value) for key, value in config.flat().items()}
    assert RunConfig.from_flat(texts) == config
    assert diff(config, config) == []
    changes = [change.key for change in diff(RunConfig(), config)]
    assert (family in changes) == (name != families()[family].default)


@each
def test_trains_and_is_reproducible_bit_for_bit(family, name, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    config = using(family, name, tmp_path)
    results, log = go(config, data_folder=tmp_path)
    assert results.stopped_by == "epochs", results.error
    assert all(math.isfinite(loss) for loss in log.losses)
    expected = {name for name, metric in metrics("epoch").items() if metric.always}
    assert all(math.isfinite(row[name]) for row in log.epochs for name in expected & row.keys())
    again = go(config, data_folder=tmp_path)[1]
    assert exact(again.steps) == exact(log.steps)
    assert exact(again.epochs) == exact(log.epochs)
    other = go(config.changed({"seed": 1}), data_folder=tmp_path)[1]
    assert exact(other.losses) != exact(log.losses)


@pytest.mark.parametrize("family", families())
def test_families_are_whole(family):
    item = families()[family]
    assert item.default in item.techniques
    assert item.label
    assert item.help.endswith(".")
    assert item.group
    assert len({one.label for one in item.techniques.values()}) == len(item.techniques)


def test_the_readmes_technique_is_the_real_one():
    root = Path(__file__).parents[2]
    (shown,) = re.findall(r"```python\n(@technique.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert shown in (root / "trainer" / "techniques" / "schedules.py").read_text()
