"""A report: what stands in it, that other people's text stays text, and that its command trains the same design again."""

import json
import re
import shlex
from html.parser import HTMLParser

import pytest
from comparison_runs import ARMS, BASE, BATCH_NORM, begin, end_all, end_run

from trainer.cli.comparing import read_design
from trainer.cli.main import make_parser
from trainer.comparison.analysis import analyse, start
from trainer.comparison.bands import MAX_POINTS
from trainer.comparison.design import MAX_SEED, make_design
from trainer.comparison.factors import LAYOUTS, combined_design
from trainer.comparison.noise import noise_design
from trainer.config import ConfigError, RunConfig
from trainer.export.report import repeat
from trainer.export.report.page import report_html
from trainer.foreground.comparing import require_trainable
from trainer.presets import PRESETS
from trainer.python.knobs import changed, changed_arms
from trainer.registry import families
from trainer.settings import VERSION, get_settings
from trainer.store import COMMAND_LINE, Store

HOSTILE = "</script><script>alert(1)</script><!-- <b> \u202e & ' \" שלום"


@pytest.fixture
def store(tmp_path):
    return Store(f"sqlite:///{tmp_path / 'trainscope.db'}")


class Document(HTMLParser):
    """The elements of a report, its text, and the data of its charts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.text, self.data, self._open = [], [], "", [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = (tag, dict(attrs).get("type"))

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open == ("script", "application/json"):
            self.data.append(json.loads(data))
        elif self._open == ("script", None):
            self.scripts.append(data)
        elif self._open != ("style", None):
            self.text += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def test_a_report_holds_verdicts_tables_configurations_and_versions(store):
    number = begin(store, seeds=6)
    for arm, replicate, run in store.members(number):
        end_run(
            store, run, 0.5 - 0.2 * arm + replicate / 100, epochs=[1.0, 0.5 - 0.2 * arm + replicate / 100]
        )
    store.set_comparison_notes(number, "What I expected", by="ada")
    found, page = analyse(store, number), Document(report_html(store, [number]))
    for sentence in (
        "A question",
        "What I expected",
        found.arms[1].sentence,
        "baseline",
        VERSION,
        "Normalization",
    ):
        assert sentence in page.text
    assert page.count("table") == page.count("caption") == 2
    assert page.count("details") == 2
    assert json.loads(re.findall(r"(\{.*?\n\})", page.text, re.DOTALL)[1]) == BATCH_NORM.to_dict()
    assert ("html", {"lang": "en"}) in page.tags
    (chart,) = page.data
    assert [trace["name"] for trace in chart["data"] if trace.get("showlegend")] == ["baseline", "batch norm"]
    assert len(chart["colors"]["dark"]) == len(chart["colors"]["light"]) == len(chart["data"])
    assert chart["colors"]["dark"][2] != chart["colors"]["light"][2]


def test_nothing_is_loaded_and_no_other_script_may_run(store):
    number = begin(store, seeds=1)
    page = Document(report_html(store, [number]))
    assert not [attributes for _, attributes in page.tags if {"src", "href"} & attributes.keys()]
    policy = next(one["content"] for _, one in page.tags if one.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_other_peoples_text_stays_text(store):
    tidy = begin(store, ARMS, seeds=1)
    number = begin(store, {HOSTILE: BASE, f"{HOSTILE}2": BATCH_NORM}, seeds=1)
    for one in (*store.members(tidy), *store.members(number)):
        end_run(store, one.run, 0.5, epochs=[1.0])
    store.rename_comparison(number, HOSTILE, by="ada")
    store.set_comparison_notes(number, HOSTILE, by="ada")
    run = store.members(number)[0].run.id
    store.rename(run, HOSTILE, by="ada")
    store.set_notes(run, HOSTILE, by="ada")
    store.set_comparison_notes(tidy, "notes", by="ada")
    store.set_notes(store.members(tidy)[0].run.id, "notes", by="ada")
    hostile = report_html(store, [number], [run])
    page, plain = Document(hostile), Document(report_html(store, [tidy], [store.members(tidy)[0].run.id]))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert page.scripts == plain.scripts
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in hostile
    names = [trace["name"] for chart in page.data for trace in chart["data"] if trace.get("name")]
    assert all("<" not in name for name in names)


def test_long_curves_are_bounded(store):
    number = begin(store, seeds=1)
    for one in store.members(number):
        end_run(store, one.run, 0.5, epochs=[1.0] * 3_000)
    page = Document(report_html(store, [number], [store.members(number)[0].run.id]))
    for chart in page.data:
        for trace in chart["data"]:
            drawn = trace["y"]["bdata"] if isinstance(trace["y"], dict) else trace["y"]
            assert len(drawn) <= MAX_POINTS * 8 * 4 / 3 + 8


def parsed(command):
    """The design that the command line makes of a command."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:3] == ["python", "-m", "trainer"]
    return read_design(make_parser().parse_args(words[3:]), get_settings())


def assert_same(design, other):
    for arm in range(len(design.arms)):
        for replicate in range(len(design.seeds)):
            assert other.config(arm, replicate) == design.config(arm, replicate)
    same = ("seeds", "measure", "margin", "unit", "until")
    assert {name: getattr(other, name) for name in same} == {name: getattr(design, name) for name in same}
    assert len(other.arms) == len(design.arms)


def every_technique():
    """A change to each technique there is, and of each of its knobs that is not text, where it fits the baseline."""
    for name, family in families().items():
        if name == "data":
            continue
        for technique in family.techniques.values():
            change = {name: technique.name}
            for key, knob in technique.knobs.items():
                if knob.kind == "bool":
                    change[f"{name}.{key}"] = not knob.default
                elif knob.kind == "float" and knob.default:
                    change[f"{name}.{key}"] = knob.default * 0.9
            for data in ("digits", "delivery_time"):
                base = RunConfig.from_flat({"data": data, "seed": 3})
                try:
                    changed_config = base.changed(change)
                except ConfigError:
                    continue
                if changed_config != base:
                    yield pytest.param(base, changed_config, id=f"{data} {name}={technique.name}")


@pytest.mark.parametrize(("base", "other"), list(every_technique()))
def test_the_command_says_every_technique(base, other, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    design = make_design({"a": other, "b": base}, 2)
    again, _ = parsed(repeat.command(design))
    assert_same(design, again)


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"seeds": 4, "measure": "val_score", "margin": 0.25, "until": 2.0, "unit": "steps"},
        {"seeds": [7, 8, 9]},
        {"seeds": [MAX_SEED, 0, 1]},
    ],
)
def test_the_command_says_seeds_measure_margin_and_budget(choices):
    design = make_design(ARMS, **choices)
    again, _ = parsed(repeat.command(design, 'It\'s -- "mine" $HOME'))
    assert_same(design, again)
    command = repeat.command(design, "-x $HOME")
    assert make_parser().parse_args(shlex.split(command.replace("\\\n", " "))[3:]).title == "-x $HOME"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_combined_techniques_are_said_in_both_ways(layout, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    changes = (
        {"normalization": "batch"},
        {"dropout.rate": 0.2},
        {"schedule": "cosine"},
        {"clipping": "by_norm"},
    )
    design = combined_design(BASE, [BASE.changed(one) for one in changes], layout, 2)
    again, _ = parsed(repeat.command(design))
    assert_same(design, again)
    assert again.factors == design.factors
    if design.factors:
        assert f"layout='{layout}'" in repeat.python(design)


@pytest.mark.parametrize("vary", ["split", "weights", "order"])
def test_one_source_of_noise_is_said(vary, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    base = BASE.changed({"seed": 5})
    design = make_design({"a": base, "b": base.changed({"normalization": "batch"})}, 3, vary)
    again, _ = parsed(repeat.command(design))
    assert_same(design, again)
    other = make_design({"a": base, "b": base.changed({"normalization": "batch"})}, [9, 2], vary)
    assert repeat.command(other) is None
    given = {}
    exec(
        repeat.python(other).replace("from trainer import compare", ""),
        {
            "compare": lambda baseline, arms, **choices: given.update(
                baseline=baseline, arms=arms, choices=choices
            )
        },
    )
    arms = changed_arms(
        changed(RunConfig(), given["baseline"], get_settings()), given["arms"], get_settings()
    )
    assert_same(other, make_design(arms, **given["choices"]))


def test_a_study_of_noise_is_reported_and_repeated(store, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    design = noise_design(BASE.changed({"dropout.rate": 0.2}), 6)
    again, _ = parsed(repeat.command(design))
    assert_same(design, again)
    assert again.arms == design.arms
    number = start(store, design, "ada")
    end_all(store, number, lambda arm, seed: 0.5 + 0.01 * seed * (arm + 1))
    text = Document(report_html(store, [number])).text
    assert "Largest source of noise" in text
    assert "Bonett" in text
    assert "batch order" in text


def test_factors_of_another_make_have_no_command():
    arms = {str(rate): BASE.changed({"learning_rate": rate}) for rate in (0.1, 0.2, 0.3, 0.4)}
    design = make_design(arms, 2, factors={"high": (1, 2), "low": (1, 3)})
    assert repeat.command(design) is None
    assert repeat.python(design) is None


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_named(name):
    design = PRESETS[name].design(5, 3)
    command = repeat.command(design)
    assert f"--preset {name}" in command
    again, _ = parsed(command)
    assert_same(design, again)
    assert repeat.keeps_names(design)
    assert [one.name for one in again.arms] == [one.name for one in design.arms]


def test_names_that_the_command_does_not_give_are_admitted(store):
    assert not repeat.keeps_names(make_design(ARMS, 2))
    assert repeat.keeps_names(make_design({"baseline": BASE, "Batch norm": BATCH_NORM}, 2))
    assert "This names the arms by what they change" in Document(report_html(store, [begin(store)])).text


@pytest.mark.parametrize(
    "design",
    [
        make_design(ARMS, [4, 2, 9], margin=0.5),
        make_design({"plain": BASE, "baseline": BATCH_NORM}, [1, 5]),
        make_design(
            {"baseline": BASE.changed({"data": "csv", "data.target": "a\u202eb"}), "b": BASE.changed(
                {"data": "csv", "data.target": "a\u202eb", "dropout": 0.1})}, 2
        ),
    ],
)  # fmt: skip
def test_what_the_command_cannot_say_is_said_in_python(design):
    assert repeat.command(design) is None
    lines, given = repeat.python(design), {}

    def compare(baseline, arms, **choices):
        given.update(baseline=baseline, arms=arms, choices=choices)

    exec(lines.replace("from trainer import compare", ""), {"compare": compare})
    settings = get_settings()
    arms = changed_arms(changed(RunConfig(), given["baseline"], settings), given["arms"], settings)
    assert_same(design, make_design(arms, **given["choices"]))
    assert lines.replace("\n", "").isprintable()


def test_two_arms_that_are_alike_are_admitted(store):
    design = make_design({"a": BASE, "b": BASE}, 2)
    assert repeat.command(design) is None
    assert repeat.python(design) is None
    with pytest.raises(ConfigError, match="alike"):
        require_trainable(design, get_settings())
    number = begin(store, {"a": BASE, "b": BASE}, seeds=2)
    end_all(store, number, lambda *_: 0.5)
    assert "Two arms of this design are alike" in Document(report_html(store, [number])).text


def test_the_command_writes_a_file(tmp_path, command):
    store = Store(f"sqlite:///{tmp_path / 'trainscope.db'}")
    number = begin(store, owner=COMMAND_LINE)
    path = tmp_path / "mine.html"
    assert command("report", number, "--runs", 1, 2, 1, "--output", path) == (0, f"{path}\n", "")
    assert "CLI run" not in Document(path.read_text()).text
    assert "A question" in Document(path.read_text()).text
    for arguments, said in (
        ([], "name a comparison"),
        ([99], "There is no comparison 99"),
        ([number, "--runs", 99], "There is no run 99"),
        (["x"], "not a whole number"),
    ):
        code, _, err = command("report", *arguments, "--output", tmp_path / "other.html")
        assert code == 2
        assert said in err
    assert not (tmp_path / "other.html").exists()
