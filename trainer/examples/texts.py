"""Examples of text augmentation: texts before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.data import DataError
from trainer.data.samples import silent
from trainer.examples import Case, Values, example, result, table
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
    """The first reviews, each changed at two steps. Raises DataError when something must be installed first."""
    facts = case.technique.facts
    if (needs := facts.get("needs")) and (sentence := needs(case.settings.data, **case.knobs)):
        raise DataError(f"{sentence}.")
    samples = find("data", "reviews").function(case.settings.data)
    keywords = {}
    if prepare := facts.get("prepare"):
        made = prepare(samples.vocabulary, samples.inputs[:TEXTS], case.settings.data, silent, **case.knobs)
        keywords["table"] = torch.from_numpy(made)
    words = torch.from_numpy(samples.inputs[:TEXTS])
    steps = [case(words, generator(0, "augmentation", step), **keywords) for step in range(2)]

    def read(row: torch.Tensor) -> str:
        return " ".join(samples.vocabulary[word] for word in row.tolist() if word)

    rows = [[read(words[index]), *(read(step[index]) for step in steps)] for index in range(TEXTS)]
    return result(
        "Four reviews at two steps of a run.", table("Texts", ["original", "one step", "another step"], rows)
    )
