"""Texts before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.data import DataError
from trainer.data.samples import silent
from trainer.examples import Case, Values, example, says, table
from trainer.lazy import lazy
from trainer.registry import find
from trainer.streams import generator

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

TEXTS = 4


@example("synonym_replacement", "random_insertion", "random_swap", "random_deletion", "back_translation")
def text_augmentation(case: Case) -> Values:
    """The first reviews, each as it comes out at two steps. Raises DataError where something must be installed first."""
    facts = case.technique.facts
    if (needs := facts.get("needs")) and (sentence := needs(case.settings.data, **case.knobs)):
        raise DataError(f"{sentence}.")
    samples = find("data", "reviews").function(case.settings.data)
    more = {}
    if prepare := facts.get("prepare"):
        made = prepare(samples.vocabulary, samples.inputs[:TEXTS], case.settings.data, silent, **case.knobs)
        more["table"] = torch.from_numpy(made)
    words = torch.from_numpy(samples.inputs[:TEXTS])
    steps = [case(words, generator(0, "augmentation", step), **more) for step in range(2)]

    def read(row: torch.Tensor) -> str:
        return " ".join(samples.vocabulary[word] for word in row.tolist() if word)

    rows = [[read(words[place]), *(read(step[place]) for step in steps)] for place in range(TEXTS)]
    return says(
        "Four reviews at two steps of a run.", table("Texts", ["as it is", "one step", "another"], rows)
    )
