"""The installed Plotly without what no chart draws: nothing is left out that is needed."""

import json
import re
import subprocess
from pathlib import Path

import plotly
import pytest

from pages.server.assets import FOLDER
from pages.server.plotly_script import TRACES, cut, plotly_script

BIOME = Path(__file__).parents[1] / "js" / "node_modules" / ".bin" / "biome"
UNDECLARED = {
    "files": {"maxSize": 10_000_000},
    "linter": {"rules": {"preset": "none", "correctness": {"noUndeclaredVariables": "error"}}},
}
TRACE = re.compile(r'moduleType:"trace",name:"(\w+)"')


@pytest.fixture(scope="module")
def whole() -> str:
    return (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text("utf-8")


@pytest.fixture(scope="module")
def short() -> str:
    return plotly_script().decode()


def test_most_of_the_script_is_left_out(whole, short):
    assert len(short) < len(whole) / 3
    assert short.endswith(whole[-200:])
    assert {"scatter", *TRACES} <= set(TRACE.findall(short))
    assert not {"scatter3d", "scattermap", "treemap", "sankey"} & set(TRACE.findall(short))


@pytest.mark.skipif(not BIOME.exists(), reason="needs the tools of tests/js (npm ci)")
def test_what_stays_refers_to_nothing_that_is_left_out(whole, short, tmp_path):
    missing = undeclared(short, tmp_path)
    assert missing <= undeclared(whole, tmp_path)
    hole = short.replace(re.search(r"var [\w$]+=[\w$]+\(\([\w$]+,[\w$]+\)=>", short)[0], "void ((e,t)=>", 1)
    assert undeclared(hole, tmp_path) > missing, "a missing module is noticed"


def undeclared(script: str, folder: Path) -> set[str]:
    """The names that a script uses and does not declare, as the linter tells them."""
    (folder / "biome.json").write_text(json.dumps(UNDECLARED))
    (folder / "script.js").write_text(script, "utf-8")
    command = [BIOME, "lint", "--max-diagnostics=none", "--reporter=json", "script.js"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = json.loads(ran.stdout)
    assert found["summary"]["unchanged"] == 1, ran.stderr
    rules = {one["category"] for one in found["diagnostics"]}
    assert rules == {"lint/correctness/noUndeclaredVariables"}, rules  # above all: no syntax error
    return {one["message"].split()[1] for one in found["diagnostics"]}


def test_the_charts_draw_no_other_traces(whole):
    """Plotly draws a trace that it does not know as a scatter plot."""
    known = set(TRACE.findall(whole))
    scripts = "".join(path.read_text("utf-8") for path in FOLDER.rglob("*.js"))
    assert known & set(re.findall(r'\btype: "(\w+)"', scripts)) == {"scatter", *TRACES}


@pytest.mark.parametrize(
    "script",
    [
        "",
        "window.Plotly = {};",
        "var W=(e,t)=>()=>{};var a=W((e,t)=>{t.register([b()])});var c=W((e)=>{});c()",
    ],
)
def test_a_script_that_is_built_otherwise_is_served_whole(script):
    assert cut(script) == script
