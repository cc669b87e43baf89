"""The web process draws and serves; it must never carry torch, nor what would bring torch along. Its first page needs no pandas,
which takes a cold server a third of a second."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "torchvision", "sklearn", "scipy", "optuna", "pandas")
LOOK = """
import importlib, pathlib, sys
for path in sorted(pathlib.Path("pages").rglob("*.py")):
    if path.name != "shell.py":
        importlib.import_module(".".join(path.with_suffix("").parts))
import app
from trainer.config import RunConfig
from trainer.preflight.plan import planned_rate
planned_rate(RunConfig())
print([name for name in %r if name in sys.modules])
"""


def test_no_page_imports_what_is_heavy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LOOK % (HEAVY,)],
        cwd=ROOT,
        env={"TRAINSCOPE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_drawing_the_first_page_imports_nothing_heavy(tmp_path):
    look = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\nimport pages.server.visitor\n"
        "pages.server.visitor.visitor, pages.server.visitor.visitor_address = (lambda: 'A' * 22), (lambda: '')\n"
        "app = AppTest.from_file('pages/shell.py', default_timeout=60).run()\nassert not app.exception, app.exception\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    script = tmp_path / "look.py"
    script.write_text(look.replace("'pages/shell.py'", repr(str(ROOT / "pages" / "shell.py"))))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={"TRAINSCOPE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
