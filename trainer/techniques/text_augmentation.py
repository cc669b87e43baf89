"""Text augmentation: changes each text of a training batch at random.

These are the four operations of Wei & Zou 2019 (EDA) as batched tensor code. Every function receives word numbers int64
[batch, words], padded in front with 0, and a generator of its own. It draws one row of random numbers per text and returns
texts padded in the same way. Synonyms come from WordNet, in a table [vocabulary, synonyms] that is built once per run. It has
only words of the data set's vocabulary, because the network has no vector for any other.
"""

from __future__ import annotations

import importlib.util
import random
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique
from trainer.techniques.augmentation import uniform

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")

Array = np.ndarray[Any, Any]
EDA: dict[str, Any] = {"accepts": ("text",), "switch": True, "source": "Wei & Zou 2019, arXiv:1901.11196"}
Share = Annotated[
    float,
    knob(
        "Share of words",
        "α: share of each text, but at least one word; 0.1 is common.",
        ge=0,
        le=0.9,
        step=0.05,
    ),
]

KINDS = (
    ("synonym_replacement", "Synonym replacement", "Replaces some words by synonyms; needs WordNet."),
    ("random_insertion", "Random insertion", "Inserts synonyms of some words; needs WordNet."),
    ("random_swap", "Random swap", "Swaps pairs of words."),
    ("random_deletion", "Random deletion", "Deletes some words."),
)
for _name, _label, _help in KINDS:
    declare_family(_name, label=_label, help=_help, group="text", default="none")


def unchanged(words: torch.Tensor, stream: torch.Generator) -> torch.Tensor:
    """Leaves texts as they are."""
    return words


for _name, _, _ in KINDS:
    technique(
        _name,
        label="Off",
        name="none",
        formula=r"\tilde{x} = x",
        when="The baseline: every epoch sees the same texts.",
    )(unchanged)


def wordnet_folder(data_folder: Path) -> Path:
    """Returns where WordNet is expected: its unpacked folder, else the archive that nltk's downloader leaves."""
    corpora = data_folder / "nltk_data" / "corpora"
    return corpora / "wordnet" if (corpora / "wordnet").is_dir() else corpora / "wordnet.zip"


def lacks_wordnet(data_folder: Path, **_: Any) -> str | None:
    """Returns a sentence with the command that installs what is missing, or None when synonyms can be looked up."""
    commands = []
    if importlib.util.find_spec("nltk") is None:
        commands.append("pip install nltk")
    if not wordnet_folder(data_folder).exists():
        commands.append(f'python -m nltk.downloader -d "{data_folder / "nltk_data"}" wordnet')
    if not commands:
        return None
    return f"Synonyms need WordNet, which is not installed yet. Install it with: {' && '.join(commands)}"


def synonym_table(
    vocabulary: Sequence[str], words: Array, data_folder: Path, report: Callable[[int, int], None], **_: Any
) -> Array:
    """Returns int64 [vocabulary, synonyms]: for each word, the numbers of its synonyms in the vocabulary, then zeros.

    Synonyms are single words that share a synset with it. Function words such as "not" and "in" have none, as in EDA.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    wordnet = _wordnet(str(data_folder / "nltk_data"))
    number = {word: index for index, word in enumerate(vocabulary) if index}
    known = {word for word in number if word not in ENGLISH_STOP_WORDS}
    rows = [
        sorted({number[name] for name in _synonyms(wordnet, word) & known} - {number[word]})
        if word in known
        else []
        for word in vocabulary
    ]
    table = np.zeros((len(rows), max(1, *map(len, rows))), dtype=np.int64)
    for row, found in zip(table, rows, strict=True):
        row[: len(found)] = found
    return table


@cache
def _wordnet(folder: str) -> Any:
    """Returns nltk's reader of the folder, which must be on nltk's path."""
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    if folder not in nltk.data.path:
        nltk.data.path.append(folder)
    with warnings.catch_warnings():  # about missing languages, which nothing uses
        warnings.simplefilter("ignore")
        return WordNetCorpusReader(nltk.data.find("corpora/wordnet", [folder]), None)


def _synonyms(wordnet: Any, word: str) -> set[str]:
    """Returns all lemmas of all senses that list `word` itself, not just its stem."""
    senses = ({name.lower() for name in sense.lemma_names()} for sense in wordnet.synsets(word))
    return {name for names in senses if word in names for name in names}


@technique(
    "synonym_replacement",
    label="On",
    **EDA,
    prepare=synonym_table,
    needs=lacks_wordnet,
    formula=(
        r"\tilde{x}_i \sim \mathcal{U}(\mathrm{syn}(x_i)) \quad \text{at } \max(1, \lfloor \alpha n \rfloor) "
        r"\text{ places}"
    ),
    when="Small data sets of real language. Of the four operations it keeps the meaning best.",
    misconception=(
        "“A synonym fits wherever the word does.” It shares one sense of the word, perhaps not the one meant here: check the "
        "examples before you rely on it."
    ),
)
def replace(
    words: torch.Tensor, stream: torch.Generator, table: torch.Tensor, *, share: Share = 0.1
) -> torch.Tensor:
    """Replaces random words of each text by random synonyms.

    It replaces α of the words, at least one, as far as they have synonyms in the data set's vocabulary.
    """
    order, choice = uniform(words, stream, 2 * words.shape[1]).chunk(2, dim=1)
    has = table[:, 0][words] != 0
    rank = torch.where(has, order, 2).argsort(1).argsort(1)
    chosen = has & (rank < number_to_change(words, share))
    return torch.where(chosen, pick(table, words, choice), words)


@technique(
    "random_insertion",
    label="On",
    **EDA,
    prepare=synonym_table,
    needs=lacks_wordnet,
    formula=r"\tilde{x} = (x_1, \dots, x_j, s, x_{j+1}, \dots, x_n), \quad s \sim \mathcal{U}(\mathrm{syn}(x_i))",
    when="Small data sets of real language, where one more word of the same meaning does no harm.",
)
def insert(
    words: torch.Tensor, stream: torch.Generator, table: torch.Tensor, *, share: Share = 0.1
) -> torch.Tensor:
    """Inserts synonyms of random words of each text at random places.

    It inserts as many as α of the words, at least one. No word is lost, so the result has more columns.
    """
    most = max(1, int(share * words.shape[1])) if share else 0
    source, choice, place = uniform(words, stream, 3 * most).chunk(3, dim=1)
    length = lengths(words)
    order = torch.where(table[:, 0][words] != 0, uniform(words, stream, words.shape[1]), -1.0)
    has, candidates = order.sort(1, descending=True)  # words with synonyms first, in random order
    count = (has >= 0).sum(1, keepdim=True)
    origin = words.gather(1, candidates.gather(1, below(source, count)))
    new = torch.arange(most, device=words.device) < torch.minimum(
        number_to_change(words, share), count * most
    )
    added = torch.where(new, pick(table, origin, choice), 0)
    start = words.shape[1] - length
    position = torch.arange(words.shape[1], device=words.device).expand_as(words)
    gap = torch.where(new, start + below(place, length + 1) - 0.5, -1.0)  # −1: padding, to the front
    order = torch.cat([gap, position.to(gap.dtype)], dim=1).argsort(dim=1, stable=True)
    return torch.cat([added, words], dim=1).gather(1, order)


# Short forms change one text, a list of word numbers. They draw from Python's own generator.


def swap_words(words: list[int], share: float) -> list[int]:
    """Swaps two random words, several times."""
    for _ in range(max(1, int(share * len(words))) if share and len(words) > 1 else 0):
        one, other = random.sample(range(len(words)), 2)
        words[one], words[other] = words[other], words[one]
    return words


def delete_words(words: list[int], share: float) -> list[int]:
    """Leaves out each word with the same probability; one stays in any case."""
    return [word for word in words if random.random() >= share] or random.sample(words, 1)


@technique(
    "random_swap",
    label="On",
    **EDA,
    formula=r"(\tilde{x}_i, \tilde{x}_j) = (x_j, x_i) \quad \max(1, \lfloor \alpha n \rfloor) \text{ times}",
    when="Topics, which a bag of words reveals. Not where order carries meaning: in the reviews here, “not” ends up elsewhere.",
    short=swap_words,
    misconception="“It never changes the label.” That holds for topics, not for negation.",
)
def swap(words: torch.Tensor, stream: torch.Generator, *, share: Share = 0.1) -> torch.Tensor:
    """Swaps two random words of each text, as many times as α of its words, at least once."""
    rounds = max(1, int(share * words.shape[1])) if share else 0
    draws, length, number = uniform(words, stream, 2 * rounds), lengths(words), number_to_change(words, share)
    start = words.shape[1] - length
    for turn in range(rounds):
        first = below(draws[:, 2 * turn, None], length)
        other = (first + 1 + below(draws[:, 2 * turn + 1, None], length - 1)) % length.clamp(min=1)
        places = start + torch.cat([first, torch.where(turn < number, other, first)], dim=1)
        places = places.clamp(max=words.shape[1] - 1)
        words = words.scatter(1, places, words.gather(1, places.flip(1)))
    return words


@technique(
    "random_deletion",
    label="On",
    **EDA,
    formula=r"P(x_i \text{ is deleted}) = \alpha \quad \text{for each } i",
    when="Long texts that repeat themselves. In a short one the deleted word may be the one that matters.",
    short=delete_words,
)
def delete(words: torch.Tensor, stream: torch.Generator, *, share: Share = 0.1) -> torch.Tensor:
    """Deletes each word with probability α; at least one word of each text stays."""
    draws = torch.where(words != 0, uniform(words, stream, words.shape[1]), -1.0)
    kept = draws >= share
    kept |= draws == draws.amax(1, keepdim=True)  # the largest draw is a random word
    kept &= words != 0
    order = kept.to(torch.int8).argsort(dim=1, stable=True)
    return torch.where(kept, words, 0).gather(1, order)


def lengths(words: torch.Tensor) -> torch.Tensor:
    """Returns the number of words of each text, [batch, 1]."""
    return (words != 0).sum(1, keepdim=True)


def number_to_change(words: torch.Tensor, share: float) -> torch.Tensor:
    """Returns how many words of each text to change, [batch, 1]: α of them, at least one; none at α = 0."""
    return (lengths(words).double() * share).long().clamp(min=1 if share else 0)


def below(draws: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Turns draws in [0, 1) into whole numbers from 0 to `count` − 1; 0 where there is nothing to choose from."""
    return torch.minimum((draws * count).long(), count - 1).clamp(min=0)


def pick(table: torch.Tensor, words: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Returns a synonym of each word, chosen by a draw in [0, 1); 0 for a word without any."""
    choices = table[words]
    index = below(draws, (choices != 0).sum(2))
    return choices.gather(2, index.unsqueeze(2)).squeeze(2)
