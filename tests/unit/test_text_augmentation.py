"""Text augmentation: each operation against a plain reading of its definition, on real files in their published formats."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import text_files
import torch
from engine_runs import Log, asks, exact, go, same_weights, small, trainer_of, weights_of
from text_files import SYNSETS, write_translators, write_wordnet

from trainer.cli.main import main
from trainer.data import DataError
from trainer.engine.augment import chosen_changes, missing_requirements
from trainer.engine.loop import train
from trainer.registry import families, find
from trainer.techniques.back_translation import lacks_models, paraphrases, tokens, translate
from trainer.techniques.text_augmentation import synonym_table

KINDS = {
    "back_translation": "paraphrase",
    "synonym_replacement": "replace",
    "random_insertion": "insert",
    "random_swap": "swap",
    "random_deletion": "delete",
}
REVIEWS = {"data": "reviews", "data__samples": 60, "model": "gru", "model__hidden": 8, "epochs": 2}
FUNCTION_WORDS = {"very", "rather"}  # these have no synonyms and are none, whatever WordNet says
CUT_OUT = ("Install it with: ", "Install them with: ")


def change(family, **knobs):
    return lambda *arguments: find(family, KINDS[family]).function(*arguments, **knobs)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def reviews(count=400):
    found = find("data", "reviews").function(Path("nowhere"), samples=count)
    return found, torch.from_numpy(found.inputs)


def said(row):
    return [int(word) for word in row if word]


def is_padded_in_front(words):
    return bool(((words != 0).int().diff(dim=1) >= 0).all())


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wordnet")
    write_wordnet(folder)
    return folder


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translators")
    write_translators(folder)
    return folder


@pytest.fixture(scope="module")
def table(wordnet):
    found, _ = reviews(2000)
    return torch.from_numpy(synonym_table(found.vocabulary, found.inputs, wordnet, print))


def synonyms_by_hand(vocabulary):
    """For each word the others of its synsets, as far as the vocabulary has them."""
    pairs = {word: set() for word in vocabulary}
    for synset in (words for part in SYNSETS.values() for words in part):
        for word in synset:
            pairs.setdefault(word, set()).update(set(synset) - {word})
    return {word: {name for name in pairs[word] if name in vocabulary} for word in vocabulary if word}


def test_all_are_here_and_run_in_this_order():
    config = small(**{**REVIEWS, **KINDS})
    assert chosen_changes(config) == tuple(KINDS)
    for name, technique in KINDS.items():
        assert set(families()[name].techniques) == {"none", technique}
        assert families()[name].default == "none"


# -- the operations -----------------------------------------------------------------------------------------


def test_deletion_keeps_order_and_loses_the_promised_share():
    _, words = reviews(3000)
    out = change("random_deletion", share=0.2)(words, stream())
    assert out.shape == words.shape
    assert is_padded_in_front(out)
    for row, other in zip(words.tolist(), out.tolist(), strict=True):
        rest = iter(said(row))
        assert all(word in rest for word in said(other)), "what is left stands in its order"
    lost = 1 - int((out != 0).sum()) / int((words != 0).sum())
    assert lost == pytest.approx(0.2, abs=0.01)


def test_deletion_leaves_a_random_word_of_a_text_that_would_lose_all():
    words = torch.tensor([[0, 0, 1, 2, 3]]).expand(3000, 5)
    out = change("random_deletion", share=0.9)(words, stream())
    counts = (out != 0).sum(1)
    assert int(counts.min()) == 1
    alone = Counter(out[counts == 1].sum(1).tolist())
    assert set(alone) == {1, 2, 3}
    assert max(alone.values()) < 1.15 * min(alone.values())


def test_deletion_by_hand(monkeypatch):
    from trainer.techniques import text_augmentation

    monkeypatch.setattr(
        text_augmentation,
        "uniform",
        lambda *_: torch.tensor([[0.0, 0.5, 0.05, 0.2], [0.9, 0.01, 0.03, 0.02]]),
    )
    out = change("random_deletion", share=0.1)(torch.tensor([[0, 7, 8, 9], [0, 4, 5, 6]]), None)
    assert out.tolist() == [[0, 0, 7, 9], [0, 0, 0, 5]]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_swaps_are_as_many_as_promised_and_move_nothing_else(share):
    words = torch.arange(1, 21).repeat(500, 1)
    words[:250, :10] = 0
    out = change("random_swap", share=share)(words, stream())
    for row, other in zip(words.tolist(), out.tolist(), strict=True):
        assert sorted(said(row)) == sorted(said(other))
        assert [word == 0 for word in row] == [word == 0 for word in other]
        moved = sum(one != two for one, two in zip(row, other, strict=True))
        turns = max(1, int(share * len(said(row))))
        assert moved <= 2 * turns
        assert moved or turns > 1, "a single swap always moves two words"
    assert int((out[:250] != words[:250]).sum(1).max()) == 2 * max(1, int(share * 10))


def test_swap_chooses_each_pair_alike_and_leaves_short_texts_alone():
    words = torch.tensor([[0, 1, 2, 3]]).expand(6000, 4)
    out = Counter(map(tuple, change("random_swap", share=0.1)(words, stream()).tolist()))
    assert set(out) == {(0, 2, 1, 3), (0, 3, 2, 1), (0, 1, 3, 2)}
    assert max(out.values()) < 1.1 * min(out.values())
    short = torch.tensor([[0, 0, 0, 5], [0, 0, 0, 0]])
    assert torch.equal(change("random_swap", share=0.5)(short, stream()), short)


def test_the_table_holds_the_synonyms_that_wordnet_and_the_vocabulary_share(table):
    found, _ = reviews(2000)
    expected = synonyms_by_hand(found.vocabulary)
    assert sum(map(bool, expected.values())) >= 10
    for number, row in enumerate(table.tolist()):
        word = found.vocabulary[number]
        names = [found.vocabulary[other] for other in said(row)]
        wanted = set() if word in FUNCTION_WORDS or not word else expected[word] - FUNCTION_WORDS
        assert set(names) == wanted, word
        assert row[len(names) :] == [0] * (len(row) - len(names))


def test_replacement_takes_a_synonym_for_the_promised_number_of_words(table):
    found, words = reviews(2000)
    out = change("synonym_replacement", share=0.1)(words, stream(), table)
    assert out.shape == words.shape
    differs = out != words
    pairs = zip(words[differs].tolist(), out[differs].tolist(), strict=True)
    assert all(new in table[old].tolist() for old, new in pairs)
    has = (table[words] != 0).any(2).sum(1)
    wanted = ((words != 0).sum(1).double() * 0.1).long().clamp(min=1)
    assert torch.equal(differs.sum(1), torch.minimum(has, wanted))
    dull = found.vocabulary.index("dull")
    chosen = Counter(out[(words == dull) & differs].tolist())
    assert {found.vocabulary[number] for number in chosen} == {"boring", "tedious"}
    assert max(chosen.values()) < 1.6 * min(chosen.values())


def test_insertion_adds_synonyms_of_the_texts_words_and_loses_none(table):
    _, words = reviews(2000)
    out = change("random_insertion", share=0.2)(words, stream(), table)
    assert out.shape == (2000, words.shape[1] + int(0.2 * words.shape[1]))
    assert is_padded_in_front(out)
    firsts = Counter()
    for row, other in zip(words.tolist(), out.tolist(), strict=True):
        old, new = said(row), said(other)
        rest = iter(new)
        assert all(word in rest for word in old), "the text itself is there in its order"
        added = Counter(new) - Counter(old)
        choices = {synonym for word in old for synonym in said(table[word].tolist())}
        assert set(added) <= choices
        assert added.total() == (max(1, int(0.2 * len(old))) if choices else 0)
        if len(old) == 4 and added:
            firsts[next(place for place, word in enumerate(new) if word in added)] += 1
    assert set(firsts) == set(range(5)), "every gap, both ends included"


@pytest.mark.parametrize("family", [name for name in KINDS if name != "back_translation"])
def test_random_for_each_text_reproducible_and_the_input_untouched(family, table):
    _, one = reviews(400)
    words = one[(table[one] != 0).any(2).sum(1) > 1][:1].expand(64, -1).clone()
    before, more = words.clone(), (table,) if "prepare" in find(family, KINDS[family]).facts else ()
    operation = change(family, share=0.3)
    out = operation(words, stream(5), *more)
    assert torch.equal(words, before)
    assert out.dtype == torch.int64
    assert len({tuple(row) for row in out.tolist()}) > 1
    assert torch.equal(out, operation(words, stream(5), *more))
    assert not torch.equal(out, operation(words, stream(6), *more))
    still = change(family, share=0.0)(words, stream(5), *more)
    assert torch.equal(still[:, -words.shape[1] :], words)


# -- back-translation ---------------------------------------------------------------------------------------


def test_translations_are_what_the_models_say_and_are_kept(translators):
    import transformers

    texts = ["the film was good", "the hotel was awful", "the film was good"]
    folders = [translators / "translation" / name for name in ("opus-mt-en-de", "opus-mt-de-en")]
    seen = []
    out = translate(texts, tuple(folders), translators, lambda done, total: seen.append((done, total)))
    for folder in folders:
        tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
        model = transformers.MarianMTModel.from_pretrained(folder)
        ids = [
            model.generate(**tokenizer(text, return_tensors="pt"), num_beams=1, max_new_tokens=31)
            for text in texts
        ]
        texts = [tokenizer.decode(one[0], skip_special_tokens=True) for one in ids]
    assert out == texts
    assert seen == [(1, 3)]
    (kept,) = translators.glob("opus-mt-en-de-and-back-*.json")
    stamp = kept.read_bytes()
    assert translate(["the hotel was awful"], tuple(folders), translators, pytest.fail) == [out[1]]
    assert kept.read_bytes() == stamp


def test_paraphrases_are_told_in_the_vocabulary_or_not_at_all(translators, monkeypatch):
    from trainer.techniques import back_translation

    vocabulary = ("", "bad", "film", "good", "the", "was")
    words = np.array([[0, 4, 2, 5, 3], [0, 4, 2, 5, 1], [0, 4, 2, 5, 3]])
    answers = {"the film was good": "The movie: was GOOD!", "the film was bad": "Unheard of."}
    monkeypatch.setattr(back_translation, "translate", lambda texts, *_: [answers[text] for text in texts])
    found = paraphrases(vocabulary, words, translators, print, language="de")
    assert found[0].tolist() == [[0, 4, 2, 5, 1], [0, 4, 2, 5, 3]]
    assert found[1].tolist() == [[0, 4, 2, 5, 1], [0, 0, 4, 5, 3]]
    assert tokens('"Well, it\'s  NOT bad," she said.') == ["well", "it's", "not", "bad", "she", "said"]


def test_a_text_is_replaced_by_its_own_paraphrase_with_the_promised_probability():
    _, words = reviews(2000)
    originals = torch.unique(words, dim=0)
    others = originals.flip(1)
    both = torch.stack([originals, others])
    always = change("back_translation", probability=1.0, language="de")(words, stream(), both)
    assert torch.equal(always, words.flip(1))
    sometimes = change("back_translation", probability=0.3, language="de")(words, stream(), both)
    hit = (sometimes != words).any(1)
    assert float(hit.double().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(torch.where(hit[:, None], words.flip(1), words), sometimes)
    unknown = words + 1000
    assert torch.equal(
        change("back_translation", probability=1.0, language="de")(unknown, stream(), both), unknown
    )


def test_dropout_is_the_same_whether_texts_were_translated_before_or_just_now(translators, tmp_path):
    (tmp_path / "translation").symlink_to(translators / "translation")
    config = small(**REVIEWS, back_translation="paraphrase", dropout__rate=0.5)
    for file in (translators / "translation").glob("*.json"):
        file.unlink()
    fresh, again = (go(config, data_folder=tmp_path)[1] for _ in range(2))
    assert exact(fresh.steps) == exact(again.steps)


def test_a_request_while_texts_are_translated_is_obeyed_and_what_is_done_is_kept(translators, tmp_path):
    config = small(**REVIEWS, back_translation="paraphrase")
    (tmp_path / "translation").symlink_to(translators / "translation")
    for file in (translators / "translation").glob("*.json"):
        file.unlink()
    results, log = go(config, data_folder=tmp_path, control=asks("stop", after=[1]))
    assert results.stopped_by == "stop"
    assert (results.steps, results.epochs, log.steps) == (0, 0, [])
    done, total = log.facts["preparing"]
    assert 0 < done < total
    assert len(list((translators / "translation").glob("*.json"))) == 1
    results, log = go(config, data_folder=tmp_path)
    assert results.stopped_by == "epochs"
    assert log.facts["preparing"][0] >= done, "it goes on where it was"


# -- in a run -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(wordnet, translators):
    if not (wordnet / "translation").exists():
        (wordnet / "translation").symlink_to(translators / "translation")
    return wordnet


def batches_of(config, folder):
    trainer, log = trainer_of(config, data_folder=folder)
    seen = {True: [], False: []}
    trainer.run.model.register_forward_pre_hook(
        lambda model, args: seen[model.training].append(args[0].clone())
    )
    trainer.run_epochs()
    return trainer.run, seen[True], seen[False], log


def test_only_training_batches_change(everything):
    plain_run, plain, plain_evaluated, _ = batches_of(small(**REVIEWS), everything)
    run, augmented, evaluated, log = batches_of(small(**{**REVIEWS, **KINDS}), everything)
    assert torch.equal(run.data.train.inputs, plain_run.data.train.inputs)
    assert all(torch.equal(one, other) for one, other in zip(plain_evaluated, evaluated, strict=True))
    assert all(one.shape[1] < other.shape[1] for one, other in zip(plain, augmented, strict=True))
    assert all(is_padded_in_front(batch) for batch in augmented)
    again, _, _, same = batches_of(small(**{**REVIEWS, **KINDS}), everything)
    assert exact(log.steps) == exact(same.steps)
    assert same_weights(weights_of(run), weights_of(again))


def test_a_resumed_run_ends_like_one_that_was_never_interrupted(everything, tmp_path):
    config = small(**{**REVIEWS, **KINDS})
    _, whole = go(config, data_folder=everything)
    first, second = Log(), Log()
    folder = tmp_path / "run"
    folder.mkdir()
    go(config, folder, control=asks("stop", after=[7]), data_folder=everything, log=first)
    go(config, folder, data_folder=everything, log=second)
    assert exact(first.steps + second.steps) == exact(whole.steps)
    assert exact(second.epochs) == exact(whole.epochs[-len(second.epochs) :])


# -- what is missing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "technique"), KINDS.items())
def test_what_is_missing_is_said_with_the_command_that_brings_it(family, technique, tmp_path):
    config = small(**{**REVIEWS, family: technique})
    if "needs" not in find(family, technique).facts:
        assert missing_requirements(config, tmp_path) == []
        return
    (sentence,) = missing_requirements(config, tmp_path)
    command = re.split("|".join(CUT_OUT), sentence)[1]
    assert str(tmp_path) in command
    assert "\n" not in sentence
    with pytest.raises(DataError, match=re.escape(command)):
        train(config, data_folder=tmp_path, run_folder=None, recorder=Log())
    text_files.write(family, tmp_path)
    assert missing_requirements(config, tmp_path) == []


def test_missing_packages_come_first_in_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = small(**REVIEWS, synonym_replacement="replace", random_insertion="insert")
    (sentence,) = missing_requirements(config, tmp_path)
    assert "with: pip install nltk && python -m nltk.downloader" in sentence
    assert "pip install transformers sentencepiece && hf download" in lacks_models(tmp_path, language="fr")


@pytest.mark.parametrize("spoil", ["data.noun", "index.adj", "lexnames"])
def test_damaged_files_are_a_sentence(spoil, tmp_path):
    (write_wordnet(tmp_path) / spoil).write_bytes(b"\xff\x00 nonsense \n" * 3)
    with pytest.raises(DataError, match=r"cannot be read from .* install them again"):
        trainer_of(small(**REVIEWS, synonym_replacement="replace"), data_folder=tmp_path)


def test_the_command_line_refuses_before_a_run_is_created(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    code = main(["run", "--set", "data=reviews", "model=gru", "synonym_replacement=replace", "--json"])
    assert code == 2
    assert "nltk.downloader" in capsys.readouterr().err
    assert main(["runs", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_text_augmentation_refuses_what_is_no_text(tmp_path):
    from trainer.config import ConfigError

    for family, technique in KINDS.items():
        with pytest.raises(ConfigError, match="needs texts; got Two moons"):
            small(**{family: technique})
