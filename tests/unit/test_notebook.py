"""A comparison in a notebook's cell: one figure, which changes while it trains."""

import json

from command_line import FAST
from test_python import script
from waiting import PATIENCE
from warm_process import warm_supervisor

KNOBS = {**dict(item.split("=") for item in FAST), "epochs": 40, "pace": 20}
SESSION = """
import base64, json
from IPython.core.interactiveshell import InteractiveShell

FIGURE = "application/vnd.plotly.v1+json"
shell, shown = InteractiveShell.instance(), []

def drawn(line):
    y = line.get("y", [])
    return len(base64.b64decode(y["bdata"])) // 8 if isinstance(y, dict) else len(y)

class Output(type(shell.display_pub)):
    def publish(self, data, metadata=None, *, transient=None, update=False, **_):
        if FIGURE in data:
            points = sum(drawn(line) for line in data[FIGURE]["data"] if line.get("name"))
            shown.append({"id": transient["display_id"], "update": update, "points": points})

shell.display_pub = Output(parent=shell)
shell.run_cell(CELL).raise_error()
print(json.dumps(shown))
"""


def test_the_figure_changes_while_it_trains(tmp_path):
    cell = f"from trainer import compare\nfound = compare({KNOBS}, [{{'dropout': 0.5}}], seeds=1)"
    with warm_supervisor(tmp_path / ".trainscope"):
        process = script(tmp_path, SESSION.replace("CELL", repr(cell)))
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    shown = json.loads(out.splitlines()[-1])
    assert len({one["id"] for one in shown}) == 1
    assert [one["update"] for one in shown] == [False] + [True] * (len(shown) - 1)
    points = [one["points"] for one in shown]
    assert points[0] == 0
    assert points == sorted(points)
    # Two curves, and the difference between them.
    assert points[-1] == 3 * 40
    assert len(set(points)) >= 3, "it changed before the end"


def test_a_script_imports_no_ipython(tmp_path):
    knobs = {**KNOBS, "epochs": 1, "pace": 0}
    process = script(
        tmp_path, f"import sys\nfrom trainer import run\nrun({knobs})\nprint('IPython' in sys.modules)"
    )
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == ("False\n", "")
