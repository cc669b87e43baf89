"""Back-translation: a text goes into another language and back, and comes home in other words.

Far too slow for every step, so each training text is translated once, before training, and kept in the data folder by its
content: the next run, and a run that is taken up again, find it there. The models are Marian's (OPUS-MT), read from the
data folder by the transformers package; nothing is fetched from anywhere.
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

TOGETHER = 32  # texts between two words on progress, and two saves
LONGEST = (
    128  # word pieces of a translation; the same for all, so that one text does not depend on its neighbours
)
PACKAGES = ("transformers", "sentencepiece")
LANGUAGES = {"de": "German", "fr": "French", "es": "Spanish"}
Array = np.ndarray[Any, Any]
Report = Callable[[int, int], None]

declare_family(
    "back_translation",
    label="Back-translation",
    help="Says texts in other words by translating them there and back; needs a translation model.",
    group="text",
    default="none",
)


@technique(
    "back_translation",
    label="Off",
    formula=r"\tilde{x} = x",
    when="The control: every epoch sees the same texts.",
)
def none(words: torch.Tensor, stream: torch.Generator) -> torch.Tensor:
    """Leaves texts as they are."""
    return words


def model_folders(data_folder: Path, language: str) -> tuple[Path, Path]:
    """Where the models into a language and back are looked for."""
    there, back = f"opus-mt-en-{language}", f"opus-mt-{language}-en"
    return data_folder / "translation" / there, data_folder / "translation" / back


def lacks_models(data_folder: Path, *, language: str, **_: Any) -> str | None:
    """A sentence with the command that brings what is missing, or None when texts can be translated."""
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
        f"Back-translation through {LANGUAGES[language]} needs translation models, which are not here yet; "
        f"bring them with: {' && '.join(commands)}"
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
    """int64 [2, texts, words]: the different texts among `words`, in the order of their rows, and each one's paraphrase.

    A paraphrase is told in the vocabulary's words, the others are left out; one that has none of them, or has grown beyond
    the array, leaves its text as it is. `report` hears how many texts of how many are done.
    """
    originals = np.unique(words, axis=0)
    texts = [" ".join(vocabulary[index] for index in row if index) for row in originals]
    number = {word: index for index, word in enumerate(vocabulary) if index}
    found = originals.copy()
    said = translate(texts, model_folders(data_folder, language), data_folder / "translation", report)
    for row, text in zip(found, said, strict=True):
        numbers = [number[word] for word in tokens(text) if word in number]
        if 0 < len(numbers) <= len(row):
            row[:] = 0
            row[-len(numbers) :] = numbers
    return np.stack([originals, found])


def tokens(text: str) -> list[str]:
    """Lower-case words without the punctuation around them, as the data sets here have them."""
    return [word for part in text.lower().split() if (word := part.strip(".,;:!?\"'()"))]


def translate(
    texts: Sequence[str],
    folders: tuple[Path, Path],
    kept_in: Path,
    report: Report,
) -> list[str]:
    """Each text there and back, from the file of earlier translations where it is in there; new ones are added to it."""
    print_ = hashlib.sha256()
    for folder in folders:  # other models, other paraphrases
        for file in sorted(folder.iterdir()):
            print_.update(f"{file.name} {file.stat().st_size}".encode())
    store = kept_in / f"{folders[0].name}-and-back-{print_.hexdigest()[:16]}.json"
    known: dict[str, str] = json.loads(store.read_text("utf-8")) if store.is_file() else {}
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    with torch.random.fork_rng(devices=[]):  # loading a model draws numbers that are dropout's
        steps = [_translator(folder) for folder in folders] if missing else []
        for start in range(0, len(missing), TOGETHER):
            report(len(texts) - len(missing) + start, len(texts))
            part = missing[start : start + TOGETHER]
            there, back = steps
            # One by one: padded beside others, the last bit of a sum may differ, and with it a word.
            known |= {text: back(there([text]))[0] for text in part}
            _save(store, known)
    return [known[text] for text in texts]


def _translator(folder: Path) -> Callable[[list[str]], list[str]]:
    """A Marian model from its folder, as a function of texts. Greedy: the same text gives the same translation."""
    tokenizer = transformers.MarianTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.MarianMTModel.from_pretrained(folder, local_files_only=True)
    model.requires_grad_(False).train(False)

    longest = min(LONGEST, model.config.max_position_embeddings - 1)

    def run(texts: list[str]) -> list[str]:
        batch = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=longest)
        with torch.no_grad():
            out = model.generate(
                **batch, num_beams=1, do_sample=False, max_new_tokens=longest, max_length=None
            )
        return [str(text) for text in tokenizer.batch_decode(out, skip_special_tokens=True)]

    return run


def _save(store: Path, known: dict[str, str]) -> None:
    """Whole or not at all: a run that is killed while it writes leaves the file as it was."""
    unfinished = store.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):  # a full disk costs the next run time, not this one its life
        unfinished.write_text(json.dumps(known, ensure_ascii=False), "utf-8")
        unfinished.replace(store)


@technique(
    "back_translation",
    label="On",
    switch=True,
    accepts=("text",),
    prepare=paraphrases,
    needs=lacks_models,
    source="Sennrich, Haddow & Birch 2016, arXiv:1511.06709",
    formula=r"\tilde{x} = t_{\ell \to \mathrm{en}}\big(t_{\mathrm{en} \to \ell}(x)\big) \quad \text{with probability } p",
    when="Real language and few labels: it changes words and order and mostly keeps the sense.",
    wrongly="The paper translates to get more data for training translators; as augmentation for classifiers it came later.",
)
def paraphrase(
    words: torch.Tensor,
    stream: torch.Generator,
    table: torch.Tensor,
    *,
    probability: Annotated[
        float, knob("Probability", "Share of texts that are said in other words.", ge=0, le=1, step=0.05)
    ] = 0.5,
    language: Annotated[
        Literal["de", "fr", "es"], knob("Language", "Through which each text goes.", labels=LANGUAGES)
    ] = "de",
) -> torch.Tensor:
    """Replaces texts by what comes back from a translation there and back, made once before training.

    Paraphrases are told in the data set's own vocabulary: for another word the network has no vector.
    """
    originals, others = table
    # Rows are found by a number made of their words; comparing the rows themselves makes sure.
    factors = torch.tensor(
        [pow(1_000_003, place, 2**61) for place in range(words.shape[1])], device=words.device
    )
    keys, order = (originals * factors).sum(1).sort()
    place = torch.searchsorted(keys, (words * factors).sum(1)).clamp(max=len(keys) - 1)
    row = order[place]
    chosen = (uniform(words, stream, 1) < probability) & (originals[row] == words).all(1, keepdim=True)
    return torch.where(chosen, others[row], words)
