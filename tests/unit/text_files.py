"""WordNet and translation models, small but real: written in the formats in which the large ones are published."""

from __future__ import annotations

import json
from pathlib import Path

from trainer.data.sequences import BAD, DEGREES, GOOD

SYNSETS = {
    "n": [("film", "movie"), ("meal", "repast"), ("talk", "lecture")],
    "v": [("talk", "speak"), ("feel", "find")],
    "a": [("good", "fresh"), ("dull", "boring", "tedious"), ("bad", "awful"), ("charming", "lovely")],
    "r": [("very", "really", "truly", "rattling"), ("quite", "rather"), ("in_the_end", "finally")],
}
"""Synonyms by part of speech. Words such as "movie" are in no review, so no review may get them."""
LICENSE = (
    "  1 This software and database is provided as is.  \n  2 WordNet 3.0 Copyright 2006 by its authors.  \n"
)
PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}


def write(family: str, data_folder: Path) -> None:
    """What a text augmentation needs."""
    (write_translators if family == "back_translation" else write_wordnet)(data_folder)


def write_wordnet(data_folder: Path) -> Path:
    """The files of WordNet's database, as in its manual page wndb(5WN): synsets by byte offset, an index by lemma."""
    folder = data_folder / "nltk_data" / "corpora" / "wordnet"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lexnames").write_text("".join(f"{number:02d}\tlex.{number}\t1\n" for number in range(45)))
    senses = []
    for part, name in PARTS.items():
        lines, offsets, at = [LICENSE], {}, len(LICENSE)
        kind = "nvar".index(part) + 1
        for words in SYNSETS[part]:
            frames = " 01 + 02 00" if part == "v" else ""
            listed = " ".join(f"{word} 0" for word in words)
            line = f"{at:08d} 00 {part} {len(words):02x} {listed} 000{frames} | gloss  \n"
            for word in words:
                offsets.setdefault(word, []).append(at)
                senses.append(f"{word}%{kind}:00:00:: {at:08d} {len(offsets[word])} 0\n")
            lines.append(line)
            at += len(line)
        (folder / f"data.{name}").write_text("".join(lines))
        index = [
            f"{word} {part} {len(places)} 0 {len(places)} 0 {' '.join(f'{place:08d}' for place in places)}  \n"
            for word, places in sorted(offsets.items())
        ]
        (folder / f"index.{name}").write_text("".join(index))
        (folder / f"{name}.exc").write_text("")
    (folder / "index.sense").write_text("".join(sorted(senses)))
    return folder


def write_translators(data_folder: Path, language: str = "de") -> tuple[Path, Path]:
    """Marian models with a sentencepiece vocabulary each, in their own file formats. Their weights are random."""
    import sentencepiece
    import torch
    import transformers

    words = [*GOOD, *BAD, *DEGREES, "the", "film", "was", "hotel", "meal", "not"]
    folders = []
    for name in (f"opus-mt-en-{language}", f"opus-mt-{language}-en"):
        folder = data_folder / "translation" / name
        folder.mkdir(parents=True)
        corpus = folder / "corpus.txt"
        corpus.write_text("\n".join(" ".join(words[place:] + words[:place]) for place in range(len(words))))
        for side in ("source", "target"):
            sentencepiece.SentencePieceTrainer.train(
                input=str(corpus), model_prefix=str(folder / side), vocab_size=90, model_type="unigram",
                hard_vocab_limit=False, minloglevel=2,
            )  # fmt: skip
            (folder / f"{side}.model").rename(folder / f"{side}.spm")
            (folder / f"{side}.vocab").unlink()
        corpus.unlink()
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
        known = ["</s>", "<unk>", *(pieces.id_to_piece(number) for number in range(3, len(pieces))), "<pad>"]
        (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(known)}))
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"source_lang": "en", "target_lang": language})
        )
        torch.manual_seed(len(folders))
        config = transformers.MarianConfig(
            vocab_size=len(known), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=len(known) - 1,
            eos_token_id=0, decoder_start_token_id=len(known) - 1, max_position_embeddings=32, init_std=1.0,
            tie_word_embeddings=False,
        )  # fmt: skip
        model = transformers.MarianMTModel(config)
        model.final_logits_bias[0, 0] = 6  # sentences end sometimes
        model.save_pretrained(folder)
        folders.append(folder)
    return folders[0], folders[1]
