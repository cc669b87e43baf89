"""RunConfig: every valid one trains, every other is refused with a sentence that names the knob and a remedy."""

import json
import math

import pytest
import text_files
from engine_runs import go
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trainer.config import MAX_CONFIG_LENGTH, ConfigError, RunConfig, diff, plain_knobs
from trainer.registry import families, find
from trainer.techniques.back_translation import LANGUAGES

SINGLE = {name: next(iter(item.techniques)) for name, item in families().items() if len(item.techniques) == 1}
CHOSEN = [(family, item) for family, known in families().items() for item in known.techniques.values()]
NUMBERS = [
    (key, owner, knob)
    for key, owner, knob in [
        *((name, "", knob) for name, knob in plain_knobs().items()),
        *(
            (f"{family}.{name}", item.name, knob)
            for family, item in CHOSEN
            for name, knob in item.knobs.items()
        ),
    ]
    if knob.kind in ("int", "float")
]
FLAT = [f"{family}.{knob}" for family, item in CHOSEN for knob in item.knobs]


def value_of(knob, largest_int=5):
    """Any allowed value of a knob; whole numbers stay small, since they are sizes."""
    if knob.kind == "choice":
        return st.sampled_from(knob.choices)
    if knob.kind == "bool":
        return st.booleans()
    if knob.kind == "text":
        return st.just(knob.default)
    if knob.kind == "int":
        return st.integers(int(knob.ge), int(max(knob.ge, min(knob.le, largest_int))))
    low, high = (knob.ge if knob.ge is not None else knob.gt), (knob.le if knob.le is not None else knob.lt)
    return st.floats(low, high, exclude_min=knob.ge is None, exclude_max=knob.le is None)


def works(item, data):
    """Whether a technique can be used on a data set."""
    facts = item.facts
    return data.facts["kind"] in facts.get("accepts", [data.facts["kind"]]) and data.facts["task"] in (
        facts.get("task", data.facts["task"]),
    )


@st.composite
def valid_configs(draw):
    nested = {"device": "cpu", "epochs": 1, "seed": draw(st.integers(0, 2**31 - 1))}
    sets = [
        item for item in families()["data"].techniques.values() if not {"files", "own"} & item.facts.keys()
    ]
    data = draw(st.sampled_from(sets))
    for name, family in families().items():
        options = [item for item in family.techniques.values() if works(item, data)]
        item = data if name == "data" else draw(st.sampled_from(options))
        knobs = {key: draw(value_of(knob)) for key, knob in item.knobs.items() if key != "samples"}
        if "samples" in item.knobs:
            knobs["samples"] = draw(st.integers(20, 80))
        if name == "label_smoothing" and data.facts["task"] != "classification":
            knobs["amount"] = 0.0
        nested[name] = {"name": item.name, **knobs}
    if find("model", nested["model"]["name"]).facts.get("own_normalization"):
        nested["normalization"] = {"name": "none"}
    sizes = [256, 8192] if nested["data"]["name"] == "digits" else [1, 2, 3, 16, 8192]
    nested["batch_size"] = draw(st.sampled_from(sizes))
    for key in ("learning_rate", "validation_share", "test_share"):
        nested[key] = draw(value_of(plain_knobs()[key]))
    return nested


def attempt(read, value):
    """The configuration and "", or None and the sentence of its refusal; no other exception is expected."""
    try:
        return read(value), ""
    except ConfigError as error:
        return None, str(error)


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """With what the text augmentations need."""
    folder = tmp_path_factory.mktemp("data")
    text_files.write_wordnet(folder)
    for language in LANGUAGES:
        text_files.write_translators(folder, language)
    return folder


@given(nested=valid_configs())
@settings(max_examples=50)
def test_every_valid_config_trains_an_epoch(data_folder, nested):
    config, problem = attempt(RunConfig.parse, nested)
    if problem:  # values that are fine alone, but not together
        assert any(word in problem for word in ("lower", "swap", "Set ")), problem
        assume(False)
    assert RunConfig.from_json(config.to_json()) == config
    assert RunConfig.from_flat(config.flat()) == config
    results, log = go(config, data_folder=data_folder)
    if results.stopped_by == "non_finite_loss":  # a learning rate of 10 is allowed, and taught
        assert "at step" in results.error
        assert results.error.rstrip().endswith(".")
    else:
        assert results.stopped_by == "epochs"
        assert results.steps == log.facts["total_steps"] == len(log.steps)
        assert math.isfinite(log.losses[-1])


MISFITS = [
    (
        {"model": "cnn", "data": "reviews"},
        ["The CNN needs images; got Reviews (text)", "Set model=mlp", "digits"],
    ),
    ({"model": "resnet", "data": "adding"}, ["The ResNet needs images; got Adding problem", "model=mlp"]),
    ({"model": "transformer", "data": "xor"}, ["sequences or texts or images; got XOR", "reviews"]),
    ({"model": "gru", "data": "delivery_time"}, ["The GRU needs", "got Delivery time", "adding"]),
    (
        {"rotation": "rotate", "data": "two_moons"},
        ["Rotation needs images; got Two moons", "Set rotation=none"],
    ),
    ({"mixing": "cutmix", "data": "spirals"}, ["Mixing needs images; got Spirals", "Set mixing=none"]),
    ({"mixing": "mixup", "data": "reviews"}, ["Mixing needs", "got Reviews (text)", "Set mixing=none"]),
    ({"mixing": "mixup", "data": "delivery_time"}, ["Mixing needs", "got Delivery time", "Set mixing=none"]),
    ({"label_smoothing": 0.1, "data": "adding"}, ["needs classes; got Adding", "Set label_smoothing=0"]),
    (
        {"model": "transformer", "normalization": "batch"},
        ["got normalization=batch", "Set normalization=none"],
    ),
]


@pytest.mark.parametrize(("values", "words"), MISFITS)
def test_a_misfit_is_said_with_its_value_and_a_remedy_that_works(values, words):
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_flat(values)
    sentence = str(caught.value)
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".")
    remedy = sentence.split("Set ")[1].split(",")[0].rstrip(".")
    key, _, value = remedy.partition("=")
    assert (
        attempt(RunConfig.from_flat, {**values, key: value})[1] != sentence
    )  # what is left, if any, is another one


@pytest.mark.parametrize("family", [name for name in families() if name != "data"])
def test_what_a_technique_accepts_is_what_the_configuration_takes(family):
    """Every technique with every data set: refused exactly where its declaration says so, by naming sets that do."""
    for item in families()[family].techniques.values():
        for data in families()["data"].techniques.values():
            values = {family: item.name, "data": data.name}
            config, problem = attempt(RunConfig.from_flat, values)
            assert (config is not None) == works(item, data), problem
            if problem and "or data to one of " in problem:
                named = problem.split("or data to one of ")[1].rstrip(".").split(", ")
                assert all(RunConfig.from_flat({family: item.name, "data": name}) for name in named)


def refused(value, *words):
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse(value)
    sentence = str(caught.value)
    for word in words:
        assert str(word) in sentence, (word, sentence)
    assert len(sentence) < 700
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("key", "owner", "knob"), NUMBERS, ids=[f"{key}-{owner}" for key, owner, _ in NUMBERS]
)
def test_numbers_out_of_bounds_or_of_another_type(key, owner, knob):
    family, _, inner = key.partition(".")
    outside = [
        knob.ge - 1 if knob.ge is not None else knob.gt,
        knob.le + 1 if knob.le is not None else knob.lt,
    ]
    wrong = [-1e300, 1e300, 10**400, -(10**400), 10**5000, math.nan, math.inf, -math.inf]
    wrong += ["", "abc", "1e", "٣x", "\ud800", "1;2", None, [], [1], {}, {"a": 1}, True, False, object()]
    wrong += [1.5] if knob.kind == "int" else []
    if knob.default is None:  # may be empty
        wrong = [value for value in wrong if value not in ("", None)]
    for value in outside + wrong:
        nested = {family: {"name": owner, inner: value}} if owner else {key: value}
        refused(nested, key, knob.bounds, *([value] if value in outside and value is not True else []))


@pytest.mark.parametrize(
    "key", ["device", "schedule.moves", "initialization.mode", "normalization.placement"]
)
@pytest.mark.parametrize("value", ["", "CPU ", "nope", 3, None, [], {"a": 1}, True, "\ud800", "x" * 100_000])
def test_choices(key, value):
    owner = {
        "schedule.moves": "cosine",
        "initialization.mode": "kaiming_normal",
        "normalization.placement": "batch",
    }
    family, _, knob = key.partition(".")
    nested = {family: {"name": owner[key], knob: value}} if knob else {key: value}
    refused(nested, key, "one of")


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize(
    "value", ["nope", 7, None, [], [["a"]], {"name": None}, {"name": 3}, {"name": "nope"}, {"name": []}]
)
def test_unknown_techniques(family, value):
    if family in SINGLE and not isinstance(value, dict):
        return  # there a bare value is the first knob: dropout=0.5
    sentence = refused({family: value}, family)
    assert "name" in sentence or "choose one of" in sentence or "did you mean" in sentence


@pytest.mark.parametrize(
    "text", ["30,,80", "30;80", "-1", "a", "1234567", "٣٠", "\U00011f51", "30, 80\n; x", "1" * 201, "\ud800"]
)
def test_milestones(text):
    refused({"schedule": {"name": "multi_step", "milestones": text}}, "schedule.milestones", "such as 30, 80")


@pytest.mark.parametrize(
    "text", ["0", "8-", "-8", "8--8", "8x8", "10000", "-".join(["8"] * 21), "８", "8\n", " 8"]
)
def test_layers(text):
    refused({"model": {"name": "mlp", "layers": text}}, "model.layers", "such as 128-64-32")


@pytest.mark.parametrize(
    ("nested", "words"),
    [
        (
            {"normalization": "batch", "batch_size": 1},
            ("Batch norm needs a batch size of at least 2; got 1", "Set batch_size=2"),
        ),
        ({"model": "cnn", "data": "two_moons"}, ("needs images", "Two moons", "digits", "model=mlp")),
        ({"validation_share": 0.4, "test_share": 0.4}, ("0.4", "lower one")),
        (
            {"schedule": {"name": "cosine", "final_lr": 1}, "learning_rate": 0.1},
            ("schedule.final_lr 1", "0.1", "raise learning_rate"),
        ),
        ({"schedule": {"name": "plateau", "min_lr": 1}}, ("schedule.min_lr 1", "0.001", "lower it")),
        (
            {"schedule": {"name": "one_cycle", "low_momentum": 0.9, "high_momentum": 0.1}},
            ("low_momentum 0.9", "high_momentum 0.1", "swap"),
        ),
        ({"learning_rat": 1}, ("'learning_rat'", "did you mean learning_rate?")),
        ({"optimizer": "adm"}, ("'adm'", "adam")),
        ({"schedule": {"name": "cosine", "gama": 1}}, ("schedule.gama",)),
        ({"dropout": 2}, ("dropout.rate", "2", "0.95")),
        ({"zzz": 1}, ("'zzz'", "choose one of")),
    ],
)
def test_conflicts_and_slips_come_with_their_remedy(nested, words):
    refused(nested, *words)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "1", '"x"', "{'a': 1}", '{"seed": NaN}', '{"seed": Infinity}', '{"learning_rate": -Infinity}',
        '{"seed": 1e999}', '{"seed": ' + "9" * 5000 + "}", '{"__class__": "os"}', '{"seed": {"$ref": "#"}}', "[" * 100_000,
        '{"a":' * 20_000, '{"seed": ' + "[" * 900 + "]" * 900 + "}", '{"schedule": ' + '{"name":' * 400 + "1" + "}" * 401,
        '{"\\ud800": 1}', '{"device": "\\ud800"}', '{"schedule": "\\u202ecosine"}', "\x00", '{"seed": 1} trailing', "\ufeff{}",
        b"\xff\xfe\x00", b'{"seed": "\xc3\x28"}', '{"model_config": {}}', '{"seed": 1, "extra": 2}',
        "x" * (MAX_CONFIG_LENGTH + 1),
        '{"schedule": {"name": "constant", "name ": 1}}',
    ],
)  # fmt: skip
def test_hostile_json(text):
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_json(text)
    assert str(caught.value)
    assert len(str(caught.value)) < 1000


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from([*RunConfig.model_fields, *FLAT]) | st.text(max_size=12)


@given(st.dictionaries(KEYS, JUNK, max_size=4))
@settings(max_examples=300)
def test_junk_is_accepted_whole_or_refused_in_words(values):
    for read in (RunConfig.parse, RunConfig.from_flat, lambda junk: RunConfig.from_json(json.dumps(junk))):
        config, problem = attempt(read, values)
        if config is None:
            assert problem
            assert problem.isprintable(), "other people's text is shown escaped"
        else:
            assert RunConfig.from_json(config.to_json()) == config


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_any_text_for_any_technique(text):
    for family, known in families().items():
        if text not in known.techniques and family not in SINGLE:
            refused({family: text}, family)


def test_the_default_is_whole_and_frozen():
    config = RunConfig()
    assert RunConfig.from_json(config.to_json()) == config
    assert config == RunConfig.parse({})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
    with pytest.raises(TypeError):
        config.dropout.knobs["rate"] = 1


def test_flat_keys():
    config = RunConfig.from_flat(
        {"schedule.final_lr": "0.0001", "schedule": "cosine", "dropout": "0.5", "epochs": "12"}
    )
    assert config.schedule.knobs["final_lr"] == 0.0001
    assert config.dropout.knobs["rate"] == 0.5
    assert config.epochs == 12
    other = config.changed({"schedule": "step"})
    assert other.schedule.knobs == {"size": 30, "gamma": 0.1}
    assert config.changed({"schedule": "cosine"}).schedule.knobs["final_lr"] == 0.0001
    for key in (
        "schedule.",
        "schedule.name",
        ".",
        "",
        "seed.x",
        "schedule.final_lr.x",
        "schedule.gamma",
        "nope.rate",
    ):
        with pytest.raises(ConfigError, match="There is no knob"):
            config.changed({key: 1})


def test_diff_is_for_people():
    one = RunConfig()
    two = one.changed(
        {"dropout": 0.5, "schedule": "cosine", "schedule.final_lr": 0.0001, "learning_rate": 0.01}
    )
    assert [str(change) for change in diff(one, two)] == [
        "Dropout rate 0 → 0.5",
        "Scheduler Constant → Cosine annealing",
        "Scheduler · Final rate 0 → 0.0001",
        "Learning rate 0.001 → 0.01",
    ]
    assert diff(two, two) == []
    assert {change.key for change in diff(two, one)} == {"dropout.rate", "schedule", "learning_rate"}


def test_a_stored_configuration_of_another_version_is_none():
    stored = RunConfig.from_flat({"schedule": "cosine", "seed": 9})
    assert RunConfig.from_stored(stored.to_dict()) == stored
    assert RunConfig.from_stored({**stored.to_dict(), "knob_of_the_past": 1}) is None
    assert RunConfig.from_stored({"epochs": 0}) is None
