"""The charts' modules in one: the same declarations in the same order, or a refusal that names what is written otherwise."""

import json
import shutil
import subprocess

import pytest

from pages.server.assets import ENTRIES, FOLDER
from pages.server.bundle import bundle

MODULES = {
    "a.js": 'import { twice as double } from "./deep/b.js";\nimport {\n  LOG,\n  note,\n} from "./log.js";\n\n'
    'note("a");\nexport const result = double(21);\nexport async function logged() {\n  return LOG;\n}\n',
    "deep/b.js": 'import { note } from "../log.js";\nnote("b");\nconst factor = 2;\n'
    "export function twice(x) {\n  return factor * x;\n}\n",
    "log.js": "export const LOG = [];\nexport function note(name) {\n  LOG.push(name);\n}\n",
    "unused.js": "export class Unused {}\n",
}


def test_modules_run_once_in_the_order_of_their_imports(tmp_path):
    script = tmp_path / "panels.mjs"
    look = (
        'console.log(JSON.stringify([panels["a"].result, await panels["a"].logged(), Object.keys(panels)]));'
    )
    script.write_text(bundle(MODULES, ["a.js", "log.js"]) + look)
    done = subprocess.run(
        [shutil.which("node"), script], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == [42, ["b", "a"], ["a", "log"]]


@pytest.mark.parametrize(
    "line",
    [
        'import * as b from "./deep/b.js";',
        'import b from "./deep/b.js";',
        'import "./log.js";',
        "export default 3;",
        "export let count = 0;",
        'export { LOG } from "./log.js";',
    ],
)
def test_what_is_written_otherwise_is_refused(line):
    with pytest.raises(ValueError, match=r"a\.js: write"):
        bundle({**MODULES, "a.js": f"{line}\n"}, ["a.js"])


def test_a_circle_is_refused():
    modules = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    with pytest.raises(ValueError, match=r"a\.js imports b\.js imports a\.js"):
        bundle(modules, ["a.js"])


def test_every_module_of_the_charts_is_in_it():
    modules = {path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in FOLDER.rglob("*.js")}
    written = bundle(modules, ENTRIES)
    assert [name for name in modules if f"// {name}\n" not in written] == []
