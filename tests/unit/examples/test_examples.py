"""Every technique has a worked example that runs, disturbs nobody, and refuses what makes no sense."""

import pytest
import torch
from example_answers import example

from trainer.config import ConfigError
from trainer.data import DataError
from trainer.examples import answer, makers, question_of
from trainer.registry import families, find
from trainer.settings import Settings

ALL = [
    (family.name, name)
    for family in families().values()
    for name, item in family.techniques.items()
    if "own" not in item.facts  # these need a file
]


@pytest.mark.parametrize(("family", "name"), ALL)
def test_every_technique_has_an_example_that_runs(settings, family, name):
    found = example(settings, family, name)
    assert found["says"].endswith(".")
    assert found["parts"]
    for part in found["parts"]:
        assert part["caption"]
        if part["kind"] == "table":
            assert part["rows"]
            assert all(len(row) == len(part["columns"]) for row in part["rows"])
        elif part["kind"] == "plot":
            assert all(len(line["x"]) == len(line["y"]) > 1 for line in part["lines"])
        else:
            assert part["kind"] == "pictures"
            assert len(part["items"]) > 1
    assert found == example(settings, family, name), "the same at every look"


def test_an_example_leaves_the_random_numbers_of_others_alone(settings):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for family, name in ALL:
        answer(question_of(find(family, name)), settings)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_not_registered_or_not_possible_is_refused(settings, tmp_path):
    with pytest.raises(ConfigError, match=r"no technique called 'schedule\.cosin'"):
        answer({"family": "schedule", "technique": "cosin"}, settings)
    with pytest.raises(ConfigError, match="but must be"):
        answer({"family": "dropout", "technique": "dropout", "knobs": {"rate": 7}}, settings)
    bare = Settings(home=tmp_path)
    for family, name in (("synonym_replacement", "replace"), ("data", "mnist")):
        with pytest.raises(DataError, match=r"not installed yet|is not in"):
            answer(question_of(find(family, name)), bare)


def test_the_web_process_computes_only_what_needs_no_torch():
    assert {name for name, maker in makers().items() if not maker.torch} == {"schedule", "early_stopping"}
    assert set(makers()) == set(families())


# -- normalization, dropout, initialization ------------------------------------------------------------------
