"""How to train a comparison again: the command, or where its options cannot say the design, the lines of Python."""

from __future__ import annotations

import pprint
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.comparison.design import EVERYTHING, Design, make_design, named_arms
from trainer.comparison.factors import Layout, techniques_of
from trainer.comparison.noise import noise_design
from trainer.config import RunConfig, changed_knobs
from trainer.presets import PRESETS

DEFAULTS = {"vary": EVERYTHING, "measure": "best_val_loss", "margin": 0.0, "until": None, "unit": "epochs"}
BASELINE = "baseline"


def command(design: Design, title: str = "") -> str | None:
    """Returns the command that trains this design again, one option a line; None where the command's options cannot say it."""
    seed = _arms(design)[design.baseline.name].seed
    arms = _noise_options(design) if design.studies_noise else _arm_options(design)
    if arms is None:
        return None
    lines = [["python", "-m", "trainer", "compare"], *arms]
    lines += [["--seed", str(seed), "--seeds", str(len(design.seeds))]]
    lines += [[f"--{name}", str(value)] for name, value in _choices(design, always=("measure",)).items()]
    lines += [[f"--title={title}"]] if title and title.isprintable() else []
    # Invisible characters do not survive being copied.
    if not all(word.isprintable() for line in lines for word in line):
        return None
    return " \\\n  ".join(shlex.join(line) for line in lines)


def _arm_options(design: Design) -> list[list[str]] | None:
    arms, combined = _arms(design), _combined(design)
    if combined is None or len({config.to_json() for config in arms.values()}) < len(arms):
        return None
    if make_design(arms, len(design.seeds), design.vary).seeds != design.seeds:
        return None
    if preset := _preset(arms):
        return [["--preset", preset]]
    baseline = arms[design.baseline.name]
    others, layout = combined
    changes = [["--arm", *_sets(baseline, other)] for other in others]
    return [*_set_option(baseline), *changes, *([["--layout", layout]] if layout != "alone" else [])]


def _noise_options(design: Design) -> list[list[str]] | None:
    config = design.baseline.config
    again = noise_design(config, len(design.seeds))
    if (again.arms, again.seeds) != (design.arms, design.seeds):
        return None
    return [["--noise"], *_set_option(config)]


def _set_option(config: RunConfig) -> list[list[str]]:
    values = _sets(RunConfig(), config)
    return [["--set", *values]] if values else []


def keeps_names(design: Design) -> bool:
    """Whether the command gives the arms the names that they have here."""
    arms = _arms(design)
    baseline, *others = arms.values()
    combined = design.factors or design.studies_noise or _preset(arms)
    return bool(combined) or list(named_arms(baseline, others)) == list(arms)


def python(design: Design) -> str | None:
    """Returns the lines of Python that train this design again, with the names of its arms; None where two arms are alike."""
    arms = _arms(design)
    combined = _combined(design)
    if combined is None or len({config.to_json() for config in arms.values()}) < len(arms):
        return None
    (_, baseline), *others = arms.items()
    changes: Any = {name: _values(baseline, config) for name, config in others}
    if design.factors:
        changes = [_values(baseline, config) for config in combined[0]]
    elif BASELINE in changes:
        changes = list(changes.values())
    first = _values(RunConfig(), baseline) | ({} if design.vary == EVERYTHING else {"seed": baseline.seed})
    arguments = [_literal(first), _literal(changes), f"seeds={list(design.seeds)}"]
    arguments += [f"{name}={value!r}" for name, value in _choices(design).items()]
    arguments += [f"layout={combined[1]!r}"] if design.factors else []
    inner = "".join(f"    {argument},\n" for argument in arguments)
    return f"from trainer import compare\n\ncompare(\n{inner})\n"


def _combined(design: Design) -> tuple[Sequence[RunConfig], Layout] | None:
    """What the arms beside the baseline are made of, and how; None where it cannot be found out."""
    return techniques_of(design) if design.factors else ([arm.config for arm in design.arms[1:]], "alone")


def _preset(arms: Mapping[str, RunConfig]) -> str | None:
    """Returns the preset that has these arms, in this order and by these names."""
    seed = next(iter(arms.values())).seed
    alike = (name for name, one in PRESETS.items() if list(one.configs(seed).items()) == list(arms.items()))
    return next(alike, None)


def _arms(design: Design) -> dict[str, RunConfig]:
    """The arms' configurations by name with the seed from which the replicates count: the arms' own does not."""
    counted = design.vary == EVERYTHING and not design.studies_noise
    seed = design.seeds[0] if counted else design.baseline.config.seed
    return {arm.name: arm.config.changed({"seed": seed}) for arm in design.arms}


def _values(before: RunConfig, after: RunConfig) -> dict[str, Any]:
    return {key: value for key, (_, value) in changed_knobs(before, after).items() if key != "seed"}


def _sets(before: RunConfig, after: RunConfig) -> list[str]:
    return [f"{key}={_text(value)}" for key, value in _values(before, after).items()]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choices(design: Design, always: tuple[str, ...] = ()) -> dict[str, Any]:
    values = {name: getattr(design, name) for name in DEFAULTS}
    if design.studies_noise:
        del values["vary"]
    return {name: value for name, value in values.items() if name in always or value != DEFAULTS[name]}


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=100, sort_dicts=False).replace("\n", "\n    ")
