"""Imports point one way, and nothing that the web process reads imports torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "trainer").rglob("*.py"))
}
DECLARATIONS = ("trainer.techniques", "trainer.models", "trainer.data")
# Each layer may import the ones before it, never the ones after.
LAYERS = [
    (
        "trainer.lazy",
        "trainer.registry",
        "trainer.streams",
        "trainer.engine.flat",
        "trainer.engine.checkpoint",
        "trainer.layers",
        "trainer.engine.measures",
    ),
    DECLARATIONS,
    ("trainer.conflicts", "trainer.config", "trainer.engine.datasplit"),
    ("trainer.engine.network", "trainer.engine.augment", "trainer.presets"),
    ("trainer.engine.build",),
    ("trainer.engine.state", "trainer.preflight.plan"),
    ("trainer.engine.non_finite_guard", "trainer.health", "trainer.engine.report"),
    (
        "trainer.engine.loop",
        "trainer.preflight.activation_hooks",
        "trainer.preflight.footprint",
        "trainer.preflight.sample_batch",
    ),
    ("trainer.engine.lr_finder",),
    ("trainer.export",),
    ("trainer.preflight.dry_run", "trainer.examples"),
    ("trainer.processes.inspection",),
    ("trainer.processes.recorder",),
    ("trainer.processes.worker", "trainer.processes.inspector"),
    ("trainer.processes.launcher",),
    ("trainer.processes.supervisor", "trainer.__main__"),
]


def imported(path, name):
    """Full names of everything that a file imports, anywhere in it."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def layer_of(name):
    for number, names in enumerate(LAYERS):
        if any(name == one or name.startswith(one + ".") for one in names):
            return number
    return None


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name):
    own = layer_of(name)
    for target in imported(MODULES[name], name):
        assert target.split(".")[0] not in ("pages", "app", "streamlit"), f"{name} imports {target}"
        other = layer_of(target)
        if own is not None and other is not None:
            assert other <= own, f"{name} imports {target}, which stands above it"


@pytest.mark.parametrize(
    "name", [name for name in MODULES if f"{name}.".startswith(tuple(f"{one}." for one in DECLARATIONS))]
)
def test_declarations_know_only_the_registry_and_their_kind(name):
    package = ".".join(name.split(".")[:2])
    allowed = ("trainer.registry", "trainer.lazy", "trainer.streams", package)
    allowed += ("trainer.layers",) if package == "trainer.models" else ()
    allowed += ("trainer.settings",) if package == "trainer.data" else ()  # where people's own files lie
    for target in imported(MODULES[name], name):
        assert not target.startswith("trainer.") or target.startswith(allowed), f"{name} imports {target}"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "trainer.layers"])
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
        "build",
        "preview",
        "presets",
        "settings",
        "store",
        "live",
        "before",
        "health.rows",
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
