"""Sidebar, address and configuration say the same thing, for everything that is registered."""

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import pytest
from page_testing import PATIENCE, SHELL, VISITOR, has, messages, text_of, widget
from streamlit.testing.v1 import AppTest

from pages.widgets.knob_groups import OPEN, found_by, names_by_group
from pages.widgets.link import bound_parameters, read_link, share_link, switch_key, switch_of
from trainer import registry
from trainer.config import ConfigError, RunConfig, plain_knobs
from trainer.conflicts import conflicts
from trainer.registry import families, find, technique

EVERY = [(family.name, name) for family in families().values() for name in family.techniques]
DEFAULT_MODEL = families()["model"].default


def of_use(knob, model=DEFAULT_MODEL) -> bool:
    """Whether the model has a place for the knob; the sidebar shows no others."""
    return not knob.place or knob.place in find("model", model).facts["places"]


def shown_config(app) -> RunConfig:
    """The configuration that the sidebar adds up to."""
    frame = app.session_state["page-context"]
    assert frame.knobs.config is not None, frame.knobs.problems
    return frame.knobs.config


def fitting(family, name) -> dict[str, object]:
    """Flat values of a configuration with this technique, every knob of it off its default."""
    values = {family: name}
    if families()[family][name].facts.get("accepts") == ("text",):
        values["data"] = "reviews"
    for knob in families()[family][name].knobs.values():
        if of_use(knob):
            values[f"{family}.{knob.name}"] = other_value(knob)
    return values


def configs_with_every_technique() -> list[RunConfig]:
    """A few configurations that hold every technique between them, off its defaults.

    A model, or a data set, decides which knobs there are: each has a configuration of its own.
    """
    found: list[dict[str, object]] = []
    for family, name in EVERY:
        values = fitting(family, name)
        alone = values.keys() & {"model", "data"}
        for one in found if not alone else []:
            if not one.keys() & {*values, "model", "data"} and is_valid({**one, **values}):
                one.update(values)
                break
        else:
            found.append(values)
    return [RunConfig.from_flat(values) for values in found]


def is_valid(values) -> bool:
    try:
        config = RunConfig.from_flat(values)
    except ConfigError:
        return False
    return not list(conflicts(config))


def other_value(knob):
    if knob.kind == "choice":
        return next(choice for choice in knob.choices if choice != knob.default)
    if knob.kind == "bool":
        return not knob.default
    if knob.kind == "text":
        texts = {"milestones": "5, 9", "layers": "64-32"}
        texts |= {"file": "ab" * 32, "target": "price & <b>more</b>", "leave_out": "1, 4-6"}
        return texts[knob.name]
    if knob.name in ("final_lr", "min_lr"):
        return 0.0005
    if knob.name == "high_momentum":
        return 0.97
    if knob.kind == "int":
        return knob.default + 1
    return next(
        value for value in (knob.default * 0.5, 0.5, 0.05) if value != knob.default and fits(knob, value)
    )


def fits(knob, value) -> bool:
    low = knob.ge if knob.ge is not None else knob.gt
    return (
        (low is None or value > low)
        and (knob.le is None or value <= knob.le)
        and (knob.lt is None or value < knob.lt)
    )


@pytest.mark.parametrize("config", configs_with_every_technique())
def test_a_shared_link_brings_the_same_configuration(lab, config):
    link = dict(parse_qsl(urlsplit(share_link(config, "http://lab/", {})).query, keep_blank_values=True))
    app = lab.open(**link)
    assert not app.exception
    assert shown_config(app) == config
    assert app.query_params == bound_parameters(config.flat())
    assert not messages(app, "warning")


@pytest.mark.parametrize("family", families())
def test_choosing_a_technique_shows_its_knobs_at_their_defaults(lab, family):
    app = lab.open()
    declared = families()[family]
    switch = switch_of(declared)
    for name, chosen in declared.techniques.items():
        if switch:
            widget(app, switch_key(declared, switch)).set_value(False).run()
        if switch and name == switch.name:
            widget(app, switch_key(declared, switch)).set_value(True).run()
        elif len(declared.techniques) > 2 or (switch is None and len(declared.techniques) > 1):
            widget(app, family).select(name).run()
        assert not app.exception
        for inner, knob in chosen.knobs.items():
            if not of_use(knob):
                assert not has(app, f"{family}.{inner}")
                continue
            assert widget(app, f"{family}.{inner}").value == knob.default
            assert knob.help[:20] in widget(app, f"{family}.{inner}").help.replace("\\", "")
        others = {inner for item in declared.techniques.values() for inner in item.knobs}
        assert not any(has(app, f"{family}.{inner}") for inner in others - set(chosen.knobs))


@pytest.mark.parametrize("model", list(families()["model"].techniques))
def test_a_model_shows_the_knobs_that_it_has_use_for(lab, model):
    app = lab.open(model=model)
    for name, knob in families()["dropout"]["dropout"].knobs.items():
        assert has(app, f"dropout.{name}") == of_use(knob, model)
        if of_use(knob, model):
            widget(app, f"dropout.{name}").set_value(0.2).run()
            assert shown_config(app).dropout.knobs[name] == 0.2
    widget(app, "model").select(DEFAULT_MODEL).run()
    assert not app.exception
    for name, knob in families()["dropout"]["dropout"].knobs.items():
        kept = of_use(knob) and of_use(knob, model)
        assert shown_config(app).dropout.knobs[name] == (0.2 if kept else 0.0), (
            "what is hidden is not in force"
        )


def toy(
    inputs, outputs, parts, *, units: Annotated[int, registry.knob("Units", "Of its only layer.", ge=1)] = 8
):
    """A network that only this test knows."""


def test_a_new_model_brings_its_knobs_and_the_dropout_rates_of_its_places(lab):
    technique("model", label="Toy", places=("conv", "attention"))(toy)
    try:
        app = lab.open(model="toy")
        assert not app.exception
        shown = {name for name in families()["dropout"]["dropout"].knobs if has(app, f"dropout.{name}")}
        assert shown == {"conv_rate", "attention_rate"}
        assert widget(app, "model.units").value == 8
        assert shown_config(app).model.name == "toy"
    finally:
        del families()["model"].techniques["toy"]


def test_every_plain_knob_is_there(lab):
    app = lab.open()
    for name, knob in plain_knobs().items():
        assert widget(app, name).value == knob.default
    assert shown_config(app) == RunConfig()
    assert app.query_params == {}


def test_a_name_that_two_techniques_share_starts_at_its_own_default(lab):
    app = lab.open()
    widget(app, "schedule").select("step").run()
    widget(app, "schedule.gamma").set_value(0.5).run()
    widget(app, "schedule").select("exponential").run()
    assert widget(app, "schedule.gamma").value == 0.95


def test_the_address_follows_the_knobs(lab):
    app = lab.open()
    widget(app, "dropout.rate").set_value(0.5).run()
    widget(app, "normalization-batch").set_value(True).run()
    config = shown_config(app)
    assert (config.dropout.knobs["rate"], config.normalization.name) == (0.5, "batch")
    assert not has(app, "normalization")  # batch norm is on: there is nothing else to choose


def test_the_seed_of_a_purpose_may_be_set_and_is_empty_otherwise(lab):
    app = lab.open(**{"seed": "3", "seed.split": "5"})
    assert not app.exception
    assert "Seeds by purpose · 1 changed" in [one.label for one in app.expander]
    assert shown_config(app) == RunConfig.from_flat({"seed": 3, "seed.split": 5})
    widget(app, "seed.weights").set_value(0).run()
    assert shown_config(app).weights_seed == 0
    widget(app, "seed.weights").set_value(None)
    widget(app, "seed.split").set_value(None).run()
    assert shown_config(app) == RunConfig.from_flat({"seed": 3})
    widget(app, "seed.order").set_value(7).run()
    app = widget(app, "reset-knobs").click().run()
    assert shown_config(app) == RunConfig()
    assert widget(app, "seed.order").value is None


def test_both_spellings_mean_the_same():
    named = read_link({"schedule": "cosine", "normalization": "batch", "device": "cpu"})
    labelled = read_link({"schedule": "Cosine annealing", "normalization-batch": "true", "device": "CPU"})
    assert named.values == labelled.values
    assert named.rewritten
    assert not labelled.rewritten
    assert not named.notices + labelled.notices


HOSTILE = [
    ("dropout.rate", "7"),
    ("dropout.rate", "nan"),
    ("dropout.rate", ""),
    ("learning_rate", "-inf"),
    ("learning_rate", "1e999"),
    ("batch_size", "12.5"),
    ("batch_size", "9" * 500),
    ("seed", "-1"),
    ("seed", "0x10"),
    ("schedule", "<script>alert(1)</script>"),
    ("normalization-batch", "perhaps"),
    ("model.layers", "64-0-x"),
    ("schedule", "cosine\n"),
    ("epochs", "1_0"),
    ("device", "tpu"),
    ("nonsense", "**bold** :red[x] [a](javascript:alert(1))"),
    ("<img src=x onerror=alert(1)>", "1"),
    ("schedule.size", "3"),  # a knob of a schedule that is not chosen
]


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_a_hostile_link_falls_back_and_says_so(lab, key, value):
    app = lab.open(**{key: value})
    assert not app.exception
    assert shown_config(app) == RunConfig()
    assert messages(app, "warning")[0].startswith(("Unknown", "Invalid"))
    written = text_of(app).replace("\\<", "").replace("\\*", "")
    assert not any(raw in written for raw in ("<script", "<img", "**bold**"))
    widget(app, "dismiss-notices").click().run()
    assert not messages(app, "warning")


def test_a_link_with_everything_wrong_is_summed_up():
    link = read_link({f"bad{i}": "x" for i in range(40)})
    assert len(link.notices) == 6
    assert link.notices[-1].startswith("35 more")


def test_reset(lab):
    app = lab.open(**{"dropout.rate": "0.5", "schedule": "step", "schedule.size": "7", "seed": "5"})
    assert shown_config(app) != RunConfig()
    widget(app, "reset-knobs").click().run()
    assert shown_config(app) == RunConfig()
    assert app.query_params == {}


def test_loading_a_run_brings_its_knobs_into_the_address(lab):
    config = RunConfig.from_flat(
        {"schedule": "one_cycle", "schedule.rise": 0.4, "seed": 9, "early_stopping": "patience"}
    )
    run = lab.store.create_run(config, VISITOR)
    lab.store.request(run, "stop", by=VISITOR)
    app = lab.open()
    lab.go(app, "runs")
    app.query_params["run"] = str(run)
    app.run()
    widget(app, f"load-{run}").click().run()
    assert not app.exception
    assert shown_config(app) == config
    assert app.query_params["schedule"] == "One cycle"
    assert app.query_params["seed"] == "9"


CONFLICTS = [
    ({"normalization": "batch", "batch_size": "1"}, "batch size of at least 2"),
    ({"model": "cnn", "data": "two_moons"}, "needs images"),
    ({"validation_share": "0.4", "test_share": "0.4"}, "less than 40"),
    ({"schedule": "cosine", "schedule.final_lr": "0.5"}, "above the learning rate"),
]


@pytest.mark.parametrize(("query", "sentence"), CONFLICTS)
def test_a_conflict_is_said_and_disables_start(lab, query, sentence):
    app = lab.open(**query)
    assert not app.exception
    assert sentence in text_of(app)
    assert widget(app, "start").disabled
    widget(app, "reset-knobs").click().run()
    assert not widget(app, "start").disabled


def test_a_bad_text_is_said_under_its_control(lab):
    app = lab.open()
    widget(app, "model.layers").set_value("64-0").run()
    assert "Invalid value &#x27;64-0&#x27; for model.layers." in text_of(app)
    assert widget(app, "start").disabled
    widget(app, "model.layers").set_value("64-32").run()
    assert shown_config(app).model.knobs["layers"] == "64-32"


def test_an_open_bound_is_said_under_its_control(lab):
    app = lab.open()
    widget(app, "learning_rate").set_value(0.0).run()
    assert "learning_rate is 0.0, but must be &gt; 0" in text_of(app)
    assert widget(app, "start").disabled


def test_values_survive_a_page_change(lab):
    app = lab.open(**{"dropout.rate": "0.4"})
    lab.go(app, "runs")
    assert not app.exception
    assert shown_config(app).dropout.knobs["rate"] == 0.4


def test_values_that_streamlit_forgets_are_kept(lab):
    """A page chosen before the browser had drawn the sidebar: neither the widgets nor the address know the values."""
    query = {"dropout.rate": "0.4", "normalization-batch": "true", "schedule": "step", "schedule.size": "7"}
    before = lab.open(**query)
    after = AppTest.from_file(SHELL, default_timeout=PATIENCE)
    after.session_state["knobs:kept"] = before.session_state["knobs:kept"]
    assert shown_config(after.run()) == shown_config(before)


def test_every_page_holds_the_knobs_in_the_same_kind_of_container(lab):
    """If pages used different kinds, a busy browser would drop the knobs' values when the page changes."""
    app = lab.open()
    kinds = set()
    for page in ("", "runs", "experiments", "health"):
        lab.go(app, page)
        kinds.add(app.sidebar.children[1].type)
    assert kinds == {"expander"}


@pytest.mark.parametrize("value", ["5e-324", "1e-310", "1e-9"])
def test_a_rate_next_to_zero_breaks_no_page(lab, value):
    app = lab.open(learning_rate=value)
    app = lab.go(app.run(), "runs")
    assert not app.exception
    assert app.session_state["learning_rate"] == float(value)


def label_of_group(app, group):
    """The label of a folded group as it is written, or None for one that is not folded."""
    titles = [expander.label for expander in app.expander]
    return next((title for title in titles if title.partition(" · ")[0] == group), None)


def inside(block, key) -> bool:
    """Whether a widget with this key stands in a block."""
    return any(getattr(node, "key", None) == key for node in walk(block))


def walk(block):
    for child in block.children.values():
        yield child
        if hasattr(child, "children"):
            yield from walk(child)


def test_what_the_lab_is_for_stands_open_and_the_rest_is_folded(lab):
    app = lab.open()
    closed = [expander for expander in app.expander if not expander.proto.expanded]
    folded = [key for expander in closed for key in (getattr(node, "key", None) for node in walk(expander))]
    for key in ("normalization-batch", "dropout.rate", "initialization", "schedule", "precision"):
        assert widget(app, key)
        assert key not in folded
    for key in ("learning_rate", "model", "data"):
        assert key not in folded
    for key in (
        "optimizer",
        "batch_size",
        "epochs",
        "model.layers",
        "activation",
        "validation_share",
        "normalization",
    ):
        assert key in folded, key
    assert names_by_group()[OPEN][:5] == [
        "normalization",
        "dropout",
        "initialization",
        "schedule",
        "precision",
    ]


def test_a_folded_group_counts_what_is_off_its_default(lab):
    app = lab.open(optimizer="sgd", batch_size="64", **{"dropout.rate": "0.5"})
    assert label_of_group(app, "Optimizer") == "Optimizer · 2 changed"
    assert label_of_group(app, "Data") == "Data"
    widget(app, "batch_size").set_value(32).run()
    assert label_of_group(app, "Optimizer") == "Optimizer · 1 changed"
    widget(app, "reset-knobs").click().run()
    assert label_of_group(app, "Optimizer") == "Optimizer"


def test_the_toggle_sets_batch_norm_and_the_other_norms_stand_behind_it(lab):
    app = lab.open()
    assert widget(app, "normalization").options == ["None", "Layer norm", "Group norm"]
    widget(app, "normalization").select("layer").run()
    assert shown_config(app).normalization.name == "layer"
    assert not widget(app, "normalization-batch").value
    assert label_of_group(app, "Model") == "Model · 1 changed"
    widget(app, "normalization-batch").set_value(True).run()
    assert shown_config(app).normalization.name == "batch"
    assert not has(app, "normalization")
    assert label_of_group(app, "Model") == "Model"
    widget(app, "normalization-batch").set_value(False).run()
    assert shown_config(app).normalization.name == "none"


def folds_knobs(app) -> bool:
    return not app.sidebar.children[1].proto.expanded


@pytest.mark.parametrize("page", ["runs", "health", "reference", "data"])
def test_a_page_without_use_for_knobs_folds_them_away(lab, page):
    app = lab.open(**{"dropout.rate": "0.5", "batch_size": "64"})
    assert not folds_knobs(app)
    lab.go(app, page)
    assert not app.exception
    assert folds_knobs(app)
    (everything,) = (expander for expander in app.expander if expander.label == "Knobs · 2 changed")
    assert inside(everything, "dropout.rate")
    assert (shown_config(app).dropout.knobs["rate"], shown_config(app).batch_size) == (0.5, 64)
    lab.go(app, "")
    assert not folds_knobs(app)
    assert (shown_config(app).dropout.knobs["rate"], shown_config(app).batch_size) == (0.5, 64)


def test_a_search_shows_the_knobs_that_it_finds_wherever_they_live(lab):
    app = lab.open(**{"dropout.rate": "0.4", "batch_size": "64"})
    config = shown_config(app)
    widget(app, "knob-search").set_value("batch").run()
    assert "knobs found" in text_of(app)
    keys = [node.key for node in walk(app.sidebar) if getattr(node, "key", None)]
    first_hidden = keys.index("initialization")  # what is not found follows what is
    found = keys[keys.index("knob-search") + 1 : first_hidden]
    assert {"batch_size", "normalization-batch"} <= set(found)
    assert not {"epochs", "model", "schedule"} & set(found)
    assert shown_config(app) == config  # what is not found keeps its value
    widget(app, "batch_size").set_value(128).run()
    assert shown_config(app).batch_size == 128
    widget(app, "knob-search").set_value("").run()
    assert shown_config(app) == config.changed({"batch_size": 128})


def test_a_search_reads_labels_first_and_help_too(lab):
    assert found_by("batch size")[0] == "batch_size"
    assert found_by("learning rate")[0] == "learning_rate"
    assert "early_stopping" in found_by("patience")
    assert "dropout" in found_by("SILENCES random")  # its help
    assert found_by("no such knob") == []
    app = lab.open()
    widget(app, "knob-search").set_value("momentum").run()
    captions = "".join(caption.value.replace("\\", "") for caption in app.caption)
    assert "Momentum: with SGD" in captions  # Adam, which is chosen, has no such knob
    widget(app, "knob-search").set_value("<b>nothing</b>").run()
    assert "No knob matches “&lt;b&gt;nothing" in text_of(app)
    assert shown_config(app) == RunConfig()
