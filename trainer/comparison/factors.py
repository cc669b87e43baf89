"""Comparisons of several techniques: each alone and all together, each left out, or combined in a factorial design.

In a factorial design every run says something about every technique, because half of the arms have it and half do not; and it
shows whether two techniques do more together than each alone. A fraction of it has far fewer arms. The fractions here have
resolution IV or more: what one technique does is never mixed up with what two do together, though some pairs may be with others.

Source: Box, Hunter and Hunter, Statistics for Experimenters, 2nd edition 2005, chapters 5 and 6.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from trainer.comparison.design import MAX_ARMS, Design, arm_name, make_design, unique_names
from trainer.config import ConfigError, RunConfig, changed_knobs, entry_of, label_of
from trainer.registry import families
from trainer.store import MAX_LENGTHS

Layout = Literal["alone", "ladder", "left_out", "factorial", "fraction"]
LAYOUTS: Final[Mapping[Layout, str]] = {
    "alone": "each alone",
    "ladder": "each alone, and all together",
    "left_out": "each left out of all",
    "factorial": "every combination",
    "fraction": "a fraction of the combinations",
}
"""How several techniques can be combined into arms."""
assert tuple(LAYOUTS) == get_args(Layout)

Combination = tuple[bool, ...]
"""Which techniques an arm has."""


def combined_design(
    baseline: RunConfig,
    changed: Sequence[RunConfig],
    layout: Layout,
    seeds: Sequence[int] | int | None,
    **choices: Any,
) -> Design:
    """Returns the comparison of techniques, each given as the baseline with that technique. Raises ConfigError with one sentence,
    also where one of the combinations cannot be trained."""
    names = unique_names(arm_name(baseline, config) for config in changed)
    changes = [_changes(baseline, config) for config in changed]
    if layout != "alone":
        _require_separate(changed, changes, names)
    rows = combinations(len(changed), layout)
    arms = {
        name: baseline.changed(_merged(row, changes))
        for name, row in zip(unique_names(_arm_names(rows, names, layout)), rows, strict=True)
    }
    if layout in ("factorial", "fraction"):
        choices["factors"] = {
            name: tuple(number for number, row in enumerate(rows) if row[place])
            for place, name in enumerate(names)
        }
    return make_design(arms, seeds, **choices)


def title_of(design: Design) -> str:
    """Returns a title: the techniques that are combined, or the arms."""
    names = list(design.factors) or [arm.name for arm in design.arms[1:]]
    return " / ".join(names)[: MAX_LENGTHS["name"]]


def techniques_of(design: Design) -> tuple[list[RunConfig], Layout] | None:
    """Returns what `combined_design` makes a factorial design of: the baseline with each technique, and the layout. None for a
    design that was not made so."""
    baseline, count = design.baseline.config, len(design.arms)
    changes = [_changes(baseline, arm.config) for arm in design.arms]
    techniques = [
        baseline.changed(
            {
                key: value
                for key, value in changes[having[0]].items()
                if {arm for arm in range(count) if key in changes[arm]} == set(having)
            }
        )
        for having in design.factors.values()
    ]
    layout: Layout = "factorial" if count == 2 ** len(techniques) else "fraction"
    try:
        again = combined_design(baseline, techniques, layout, design.seeds)
    except ConfigError:
        return None
    alike = [arm.config for arm in again.arms] == [arm.config for arm in design.arms]
    return (
        (techniques, layout)
        if alike and list(again.factors.values()) == list(design.factors.values())
        else None
    )


def by_family(baseline: RunConfig, config: RunConfig) -> list[RunConfig]:
    """Returns the baseline with each family of knobs in turn as `config` has it, for the families in which the two differ."""
    changes = _changes(baseline, config)
    changed = dict.fromkeys(entry_of(key) for key in changes if key != "seed")
    return [
        baseline.changed({key: value for key, value in changes.items() if entry_of(key) == entry})
        for entry in changed
    ]


def combinations(techniques: int, layout: Layout) -> list[Combination]:
    """Returns the arms of a layout, the baseline first. Raises ConfigError for too few or too many techniques."""
    if layout != "alone" and techniques < 2:
        raise ConfigError(f"It takes two techniques or more to combine them; this is {techniques}.")
    none, every = (False,) * techniques, (True,) * techniques
    alone = [tuple(place == one for place in range(techniques)) for one in range(techniques)]
    match layout:
        case "alone":
            return [none, *alone]
        case "ladder":
            return [none, *alone, every]
        case "left_out":
            return [every, *(tuple(not one for one in row) for row in alone)]
        case "factorial":
            return list(_factorial(techniques, []))
        case "fraction":
            return list(_factorial(*_generators(techniques)))


def _factorial(base: int, generators: Sequence[tuple[int, ...]]) -> Iterator[Combination]:
    """Every combination of `base` techniques. Each generator adds a technique that an arm has if it has an odd number of
    those that the generator names."""
    if 2**base > MAX_ARMS:
        raise ConfigError(
            f"{base} techniques have {2**base} combinations, more than the {MAX_ARMS} arms of a comparison; use a fraction of "
            "them, or fewer techniques."
        )
    for number in range(2**base):
        row = [bool(number >> place & 1) for place in range(base)]
        yield (*row, *(sum(row[place] for place in word) % 2 == 1 for word in generators))


def _generators(techniques: int) -> tuple[int, list[tuple[int, ...]]]:
    """The number of base techniques of the smallest fraction with resolution IV or more, and how the others follow from them.

    Words of an odd number of letters keep every product of two techniques apart from single ones. With one technique more than
    the base has, the longest word has the highest resolution.
    """
    base = next(count for count in itertools.count(3) if techniques <= 2 ** (count - 1))
    if techniques <= 3:
        raise ConfigError(
            f"{techniques} techniques have only {2**techniques} combinations, of which none can be left out; use all of them."
        )
    if techniques > 2 ** (MAX_ARMS.bit_length() - 2):
        raise ConfigError(
            f"{techniques} techniques are too many for {MAX_ARMS} arms; combine at most {MAX_ARMS // 2}."
        )
    if techniques == base + 1:
        return base, [tuple(range(base))]
    odd = (word for size in range(3, base + 1, 2) for word in itertools.combinations(range(base), size))
    return base, list(itertools.islice(odd, techniques - base))


def _changes(baseline: RunConfig, config: RunConfig) -> dict[str, Any]:
    return {key: value for key, (_, value) in changed_knobs(baseline, config).items()}


def _merged(row: Combination, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for has, one in zip(row, changes, strict=True) if has for key, value in one.items()}


def _require_separate(
    changed: Sequence[RunConfig], changes: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> None:
    """Raises ConfigError where two techniques set the same knob: together they would be only one of the two."""
    for (i, first), (j, second) in itertools.combinations(enumerate(changes), 2):
        whole = {key for key in (*first, *second) if key in families()} & _families(first) & _families(second)
        if shared := [key for key in second if key in first or entry_of(key) in whole]:
            raise ConfigError(
                f"“{names[i]}” and “{names[j]}” both set {label_of(shared[0], changed[j])}, so they cannot be combined. Choose "
                "one of them, or compare each alone."
            )


def _families(changes: Mapping[str, Any]) -> set[str]:
    return {entry_of(key) for key in changes}


def _arm_names(rows: Iterable[Combination], names: Sequence[str], layout: Layout) -> Iterator[str]:
    for row in rows:
        inside = [name for name, has in zip(names, row, strict=True) if has]
        if not inside:
            yield "baseline"
        elif len(inside) == len(names) > 1:
            yield "all together"
        elif layout == "left_out":
            yield "without " + next(name for name, has in zip(names, row, strict=True) if not has)
        else:
            yield " + ".join(inside)
