"""Generated sequences: a regression that needs a long memory, and texts whose meaning depends on word order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np

from trainer.data.samples import Count, DataSeed, Samples
from trainer.registry import knob, technique

MAX_WORDS = 18  # in a review; shorter ones are padded


@technique(
    "data",
    label="Adding problem",
    task="regression",
    kind="sequence",
    outputs=1,
    source="Hochreiter & Schmidhuber 1997",
    link="https://doi.org/10.1162/neco.1997.9.8.1735",
    formula=r"y = \sum_t x_t\, m_t, \quad m_t \in \{0, 1\},\ \sum_t m_t = 2",
    when="To see a plain RNN forget and its gradient explode.",
)
def adding(
    folder: Path,
    *,
    length: Annotated[
        int, knob("Length", "Steps of each sequence.", ge=4, le=1000, step=10, unit="steps")
    ] = 50,
    samples: Count = 2000,
    seed: DataSeed = 42,
) -> Samples:
    """Add the two marked numbers of a long sequence: the first must be remembered until the end.

    Inputs [samples, length, 2]: a number in [0, 1) and a mark, which is 1 once in each half. Always predicting 1 has an MAE of
    about 0.33.
    """
    random = np.random.default_rng(seed)
    numbers = random.random((samples, length))
    marks = np.zeros_like(numbers)
    rows = np.arange(samples)
    marks[rows, random.integers(0, length // 2, samples)] = 1
    marks[rows, random.integers(length // 2, length, samples)] = 1
    inputs = np.stack([numbers, marks], axis=2).astype(np.float32)
    return Samples(
        inputs, (numbers * marks).sum(1, dtype=np.float32)[:, None].astype(np.float32), "regression"
    )


SUBJECTS = [
    "the film",
    "this book",
    "our guide",
    "the hotel",
    "that meal",
    "the service",
    "the concert",
    "her talk",
    "the course",
    "my seat",
]
TIMES = ["today", "last night", "at first", "in the end", "on monday", "once again", "for hours", "as always"]
DEGREES = ["very", "really", "truly", "rather", "quite", "simply"]
GOOD = ["good", "lovely", "bright", "funny", "warm", "clever", "fresh", "calm", "charming", "gripping"]
BAD = ["bad", "awful", "dull", "boring", "cold", "clumsy", "stale", "noisy", "tedious", "shallow"]
LINKS = ["and", "but", "although", "because", "while"]
VERBS = ["was", "seemed", "felt", "looked"]


@technique(
    "data",
    label="Reviews (text)",
    task="classification",
    kind="text",
    outputs=2,
    balanced=True,
    words=MAX_WORDS,
    formula=r"x \in V^{18}, \quad y \in \{\text{negative}, \text{positive}\}",
    when="Text in which word order matters; a bag of words gets only three in four right.",
)
def reviews(folder: Path, *, samples: Count = 2000, seed: DataSeed = 42) -> Samples:
    """Short generated reviews, positive or negative: "not" reverses the next word, so word order matters.

    Inputs [samples, words] int64, padded in front with 0; `vocabulary` names the words. A bag of words gets about three in four
    right.
    """
    source = np.random.default_rng(seed)
    texts, targets = zip(*(_review(source) for _ in range(samples)), strict=True)
    vocabulary = ("", *sorted({word for text in texts for word in text}))
    number = {word: index for index, word in enumerate(vocabulary)}
    rows = [[0] * (MAX_WORDS - len(text)) + [number[word] for word in text] for text in texts]
    return Samples(
        np.array(rows, dtype=np.int64),
        np.array(targets),
        "classification",
        ("negative", "positive"),
        vocabulary=vocabulary,
    )


def _review(source: np.random.Generator) -> tuple[list[str], int]:
    """Returns the words of one review and its class, 1 for praise. Clauses agree; each may negate a word of the other class."""

    def pick(words: list[str]) -> str:
        return str(source.choice(words))

    praise, text = int(source.integers(2)), ""
    for clause in range(int(source.integers(1, 3))):
        negated = bool(source.integers(2))
        text += f" {pick(LINKS)}" if clause else ""
        text += f" {pick(SUBJECTS)} {pick(VERBS)}{' not' if negated else ''}"
        text += f" {pick(DEGREES)}" if source.random() < 0.5 else ""
        text += f" {pick(GOOD if praise != negated else BAD)}"
    text += f" {pick(TIMES)}" if source.random() < 0.5 else ""
    return text.split(), praise
