"""Questions that the engine asks of its data and that a configuration answers: a script keeps the branch that is taken.

Each is a function that the engine itself calls. A test fails for one that decides no branch of any script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainer.config import RunConfig
from trainer.data import samples
from trainer.engine import augment, datasplit, flat, measures, network
from trainer.engine.augment import chosen_changes
from trainer.techniques import input_scaling

Predicate = Callable[..., bool]


def answers(
    config: RunConfig, layers: frozenset[str], *, downloads: bool = False
) -> Mapping[Predicate, bool | None]:
    """What each predicate returns in a run of this configuration, whose network is made of `layers`, by their names in torch.

    None where it differs from call to call, or only the run can tell: what is in a data set's files, unless it `downloads` them.
    """
    facts = config.data_facts()
    words, mixed, own_test = facts["kind"] == "text", config.mixing.name != "none", "files" in facts
    return {
        samples.predicts_classes: facts["task"] == "classification",
        samples.holds_words: words,
        samples.holds_bytes: own_test or facts.get("own") == "images",
        samples.brings_test: None if facts.get("own") == "images" else own_test,
        samples.needs_fitting: facts.get("own") == "table",
        input_scaling.are_images: facts["kind"] == "image",
        datasplit.fills_each_part: (fills_each_part(config, facts) and (downloads or not own_test)) or None,
        augment.scales_late: bool(chosen_changes(config)) and not words,
        augment.mixes: mixed,
        measures.are_mixed: None if mixed else False,
        network.embeds_words: None if "Embedding" in layers else False,
        network.is_recurrent: None if layers & {"RNN", "LSTM", "GRU"} else False,
        flat.is_filter: None if "Conv2d" in layers else False,
    }


def fills_each_part(config: RunConfig, facts: Mapping[str, Any]) -> bool:
    """Whether each class is certainly large enough for every part: of a set that says that its classes are alike in size."""
    if not facts.get("balanced"):
        return False
    samples, classes = facts.get("samples", config.data.knobs.get("samples", 0)), facts["outputs"]
    smallest = round(min(config.validation_share, config.test_share) * samples)
    return bool(smallest >= classes and samples >= 20 * classes)
