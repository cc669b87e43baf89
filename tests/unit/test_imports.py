"""Imports point one way, and nothing that the web process reads imports torch."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "trainer").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py")), ROOT / "app.py"]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}
DECLARATIONS = ("trainer.techniques", "trainer.models", "trainer.data", "trainer.metrics")
# Files at the top and folders, from the ground up: each may import the rows before its own, and its own.
FLOORS = [
    (
        "trainer.lazy",
        "trainer.formatting",
        "trainer.registry",
        "trainer.settings",
        "trainer.layers",
    ),
    DECLARATIONS,
    ("trainer.choice",),
    ("trainer.conflicts",),
    ("trainer.config",),
    ("trainer.lifecycle", "trainer.spaces"),
    ("trainer.streams", "trainer.curves", "trainer.store", "trainer.migrations"),
    ("trainer.engine",),
    ("trainer.describe",),
    ("trainer.comparison",),
    ("trainer.health", "trainer.examples", "trainer.presets"),
    ("trainer.preflight", "trainer.diagnosis", "trainer.lessons"),
    ("trainer.processes",),
    ("trainer.export",),
    ("trainer.foreground",),
    ("trainer.cli",),
    ("trainer.python",),
    ("trainer",),
    ("trainer.__main__",),
    ("pages.live",),
    ("pages.server",),
    ("pages.widgets",),
    ("pages",),
    ("pages.shell",),
    ("app",),
]
MOST_FILES = 12  # at the top of a folder, so that a reader takes it in at a glance


def imported(path, name):
    """Full names of everything that a file imports, anywhere in it, lazily too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (one if one in MODULES else node.module for one in names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy":
            yield ast.literal_eval(node.args[0])


IMPORTS = {name: set(imported(path, name)) for name, path in MODULES.items()}


def room_of(name):
    """The folder of a module, or the module itself at the top of `trainer` and `pages`."""
    parts = name.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 else name


def floor_of(name):
    room = room_of(name)
    known = room if any(room in floor for floor in FLOORS) else room.split(".")[0]
    return next(number for number, floor in enumerate(FLOORS) if known in floor)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name):
    for target in IMPORTS[name]:
        outside = target.split(".")[0]
        assert name.startswith(("pages", "app")) or outside not in ("pages", "app", "streamlit"), target
        if target in MODULES:
            assert floor_of(target) <= floor_of(name), f"{name} imports {target}, which stands above it"


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.startswith("trainer.") and name.count(".") == 1]
)
def test_every_part_of_the_trainer_has_its_floor(name):
    assert any(name in floor for floor in FLOORS), f"say where {name} stands"


def test_no_circle_of_files():
    graph = {name: targets & MODULES.keys() - {name} for name, targets in IMPORTS.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_circle_of_folders():
    graph = {}
    for name, targets in IMPORTS.items():
        rooms = {room_of(target) for target in targets & MODULES.keys()}
        graph.setdefault(room_of(name), set()).update(rooms - {room_of(name)})
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("folder", ["trainer", "pages"])
def test_the_top_of_a_folder_is_read_at_a_glance(folder):
    assert len(list((ROOT / folder).glob("*.py"))) <= MOST_FILES


@pytest.mark.parametrize(
    "name", [name for name in MODULES if f"{name}.".startswith(tuple(f"{one}." for one in DECLARATIONS))]
)
def test_declarations_know_only_the_registry_and_their_kind(name):
    package = ".".join(name.split(".")[:2])
    allowed = ("trainer.registry", "trainer.lazy", "trainer.streams", "trainer.formatting", package)
    allowed += ("trainer.layers",) if package == "trainer.models" else ()
    allowed += ("trainer.settings",) if package == "trainer.data" else ()  # where people's own files lie
    for target in IMPORTS[name]:
        assert not target.startswith("trainer.") or target.startswith(allowed), f"{name} imports {target}"


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.startswith("trainer") and name != "trainer.layers"]
)
def test_heavy_packages_are_imported_lazily(name):
    """At module level torch may be named for the type checker only."""
    for node in ast.parse(MODULES[name].read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            assert not {one.split(".")[0] for one in names} & {"torch", "torchvision", "sklearn"}, name
            assert "trainer.layers" not in names, f"{name}: it subclasses torch.nn.Module"


def run(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


WEB = [
    name
    for name in (
        "registry",
        "config",
        "engine.build",
        "preflight.plan",
        "presets",
        "settings",
        "store",
        "curves.deltas",
        "preflight.dry_run",
        "health.layout",
    )
    if f"trainer.{name}" in MODULES
]


def test_reading_the_registry_and_planning_imports_no_torch():
    done = run(
        "import sys\n"
        + "".join(f"import trainer.{name}\n" for name in WEB)
        + "from trainer.registry import families\n"
        "from trainer.config import RunConfig, diff\n"
        "for family in families():\n"
        "    for name in families()[family].techniques:\n"
        "        families()[family][name].help\n"
        "RunConfig.from_json(RunConfig.from_flat({'schedule': 'cosine', 'dropout': 0.5}).to_json())\n"
        "from trainer.preflight.plan import planned_rate\n"
        "planned_rate(RunConfig())\n"
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'scipy', 'streamlit') if name in sys.modules])"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_duplicate_or_undocumented_technique_is_refused_where_it_is_declared():
    done = run(
        "from trainer.registry import families, technique, knob\n"
        "from typing import Annotated\n"
        "families()\n"
        "def relu():\n    'Another.'\n"
        "def silent(): pass\n"
        "def bare(*, rate: float = 1.0):\n    'A knob without help.'\n"
        "for function in (relu, silent, bare):\n"
        "    try:\n        technique('activation', label='x')(function)\n"
        "    except ValueError as error:\n        print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("'")[1] for line in lines] == ["relu", "silent", "rate"]
