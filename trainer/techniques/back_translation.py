"""Back-translation: translating a text into another language and back paraphrases it.

That is far too slow for every step. So each training text is translated once, before training, and stored by its content in the
data folder, where later runs and resumed runs find it. The transformers package reads the Marian models (OPUS-MT) from the data
folder; nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique
from trainer.techniques.augmentation import uniform

if TYPE_CHECKING:
    import torch
else:
    torch = lazy("torch")
transformers = lazy("transformers")  # an optional extra, imported only when chosen

SAVE_EVERY = 32  # texts; progress is reported as often
MAX_TOKENS = 128  # of a translation; the same for all texts, so that none depends on its neighbors
PACKAGES = ("transformers", "sentencepiece")
LANGUAGES = {"de": "German", "fr": "French", "es": "Spanish"}
Array = np.ndarray[Any, Any]
Report = Callable[[int, int], None]

declare_family(
    "back_translation",
    label="Back-translation",
    help="Paraphrases texts by translating them into another language and back; needs translation models.",
    group="text",
    default="none",
)


@technique(
    "back_translation",
    label="Off",
    formula=r"\tilde{x} = x",
    when="The baseline: every epoch sees the same texts.",
)
def none(words: torch.Tensor, stream: torch.Generator) -> torch.Tensor:
    """Leaves texts as they are."""
    return words


def model_folders(data_folder: Path, language: str) -> tuple[Path, Path]:
    """Returns the folders of the models into a language and back."""
    there, back = f"opus-mt-en-{language}", f"opus-mt-{language}-en"
    return data_folder / "translation" / there, data_folder / "translation" / back


def lacks_models(data_folder: Path, *, language: str, **_: Any) -> str | None:
    """Returns a sentence with the command that installs what is missing, or None when texts can be translated."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    commands = [f"pip install {' '.join(missing)}"] if missing else []
    commands += [
        f'hf download Helsinki-NLP/{folder.name} --local-dir "{folder}"'
        for folder in model_folders(data_folder, language)
        if not (folder / "config.json").is_file()
    ]
    if not commands:
        return None
    return (
        f"Back-translation through {LANGUAGES[language]} needs translation models that are not installed yet. "
        f"Install them with: {' && '.join(commands)}"
    )


def paraphrases(
    vocabulary: Sequence[str],
    words: Array,
    data_folder: Path,
    report: Report,
    *,
    language: str,
    **_: Any,
) -> Array:
    """Returns int64 [2, texts, words]: the distinct texts among `words`, sorted by row, and the paraphrase of each.

    A paraphrase keeps only words of the vocabulary. One that keeps none, or is too long for the array, is replaced by its
    original. `report` is called with the number of texts done and the number in all.
    """
    originals = np.unique(words, axis=0)
    texts = [" ".join(vocabulary[index] for index in row if index) for row in originals]
    number = {word: index for index, word in enumerate(vocabulary) if index}
    rephrased = originals.copy()
    translations = translate(texts, model_folders(data_folder, language), data_folder / "translation", report)
    for row, text in zip(rephrased, translations, strict=True):
        numbers = [number[word] for word in tokens(text) if word in number]
        if 0 < len(numbers) <= len(row):
            row[:] = 0
            row[-len(numbers) :] = numbers
    return np.stack([originals, rephrased])


def tokens(text: str) -> list[str]:
    """Returns lower-case words without surrounding punctuation, as in the data sets here."""
    return [word for part in text.lower().split() if (word := part.strip(".,;:!?\"'()"))]


def translate(
    texts: Sequence[str],
    folders: tuple[Path, Path],
    cache_folder: Path,
    report: Report,
) -> list[str]:
    """Returns each text translated there and back, from the file of earlier translations or added to it."""
    digest = hashlib.sha256()
    for folder in folders:  # other models give other paraphrases
        for file in sorted(folder.iterdir()):
            digest.update(f"{file.name} {file.stat().st_size}".encode())
    cache = cache_folder / f"{folders[0].name}-and-back-{digest.hexdigest()[:16]}.json"
    known: dict[str, str] = json.loads(cache.read_text("utf-8")) if cache.is_file() else {}
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    with torch.random.fork_rng(devices=[]):  # loading a model draws from dropout's generator
        steps = [_translator(folder) for folder in folders] if missing else []
        for start in range(0, len(missing), SAVE_EVERY):
            report(len(texts) - len(missing) + start, len(texts))
            batch = missing[start : start + SAVE_EVERY]
            there, back = steps
            # One text at a time: padding beside others may change the last bit of a sum, and with it a word.
            known |= {text: back(there([text]))[0] for text in batch}
            _save(cache, known)
    return [known[text] for text in texts]


def _translator(folder: Path) -> Callable[[list[str]], list[str]]:
    """Returns a function that translates texts with the Marian model in `folder`; greedy, so always the same way."""
    tokenizer = transformers.MarianTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.MarianMTModel.from_pretrained(folder, local_files_only=True)
    model.requires_grad_(False).train(False)
    max_tokens = min(MAX_TOKENS, model.config.max_position_embeddings - 1)

    def run(texts: list[str]) -> list[str]:
        batch = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=max_tokens)
        with torch.no_grad():
            out = model.generate(
                **batch, num_beams=1, do_sample=False, max_new_tokens=max_tokens, max_length=None
            )
        return [str(text) for text in tokenizer.batch_decode(out, skip_special_tokens=True)]

    return run


def _save(cache: Path, known: dict[str, str]) -> None:
    """Writes the file atomically: a run that is killed while writing leaves it as it was."""
    unfinished = cache.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):  # a full disk costs the next run time, but does not fail this one
        unfinished.write_text(json.dumps(known, ensure_ascii=False), "utf-8")
        unfinished.replace(cache)


@technique(
    "back_translation",
    label="On",
    switch=True,
    accepts=("text",),
    prepare=paraphrases,
    needs=lacks_models,
    source="Sennrich, Haddow & Birch 2016, arXiv:1511.06709",
    formula=r"\tilde{x} = t_{\ell \to \mathrm{en}}\big(t_{\mathrm{en} \to \ell}(x)\big) \quad \text{with probability } p",
    when="Real language with few labels: it changes words and their order and mostly keeps the meaning.",
    misconception=(
        "“The paper proposed it as augmentation for classifiers.” It creates more training data for translation models; "
        "classifiers came later."
    ),
)
def paraphrase(
    words: torch.Tensor,
    stream: torch.Generator,
    table: torch.Tensor,
    *,
    probability: Annotated[
        float, knob("Probability", "Share of texts to paraphrase.", ge=0, le=1, step=0.05)
    ] = 0.5,
    language: Annotated[
        Literal["de", "fr", "es"], knob("Language", "The language to translate through.", labels=LANGUAGES)
    ] = "de",
) -> torch.Tensor:
    """Replaces texts by paraphrases, translated there and back once before training.

    Paraphrases keep only words of the data set's vocabulary, because the network has no vector for any other.
    """
    originals, others = table
    # Rows are looked up by a hash of their words, then compared in full.
    factors = torch.tensor(
        [pow(1_000_003, position, 2**61) for position in range(words.shape[1])], device=words.device
    )
    keys, order = (originals * factors).sum(1).sort()
    place = torch.searchsorted(keys, (words * factors).sum(1)).clamp(max=len(keys) - 1)
    row = order[place]
    chosen = (uniform(words, stream, 1) < probability) & (originals[row] == words).all(1, keepdim=True)
    return torch.where(chosen, others[row], words)
