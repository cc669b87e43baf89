#!/usr/bin/env bash
# Installs what the tests need (a browser, Node, PostgreSQL) and runs every check. Safe to run again; nothing is installed twice.
# With arguments, runs only pytest with those arguments: bash tests/run.sh tests/unit -k cosine
set -euo pipefail
cd "$(dirname "$0")/.."

# What Debian and Ubuntu package: a browser for the end-to-end tests, Node for the checks of the browser's code, a database.
system() {
  local packages=() sudo
  [ -n "$(command -v chromium chromium-browser google-chrome || true)" ] || packages+=(chromium fonts-dejavu-core)
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
  [ -n "$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null || true)" ] || packages+=(postgresql)
  if [ ${#packages[@]} -gt 0 ] && command -v apt-get >/dev/null; then
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  fi
}

# package.json pins exact versions. No lock file: a mirror that lacks a package of another platform makes npm refuse one.
javascript() {
  [ tests/js/node_modules/.package-lock.json -nt tests/js/package.json ] ||
    npm install --prefix tests/js --no-package-lock --no-audit --no-fund --loglevel=error
}

{ system; [ $# -gt 0 ] || javascript; } & # while Python's packages are fetched
others=$!
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --no-compile -r tests/requirements.txt # most of it is never imported
wait "$others"
export PATH="$PWD/.venv/bin:$PWD/tests/js/node_modules/.bin:$PATH"
unset PYTHONDONTWRITEBYTECODE # the tests start hundreds of processes; one of them compiles the sources for all
[ -n "$(command -v chromium chromium-browser google-chrome || true)" ] || playwright install chromium

if [ $# -gt 0 ]; then
  exec python -m pytest "$@"
fi
mypy & # takes a minute; the tests need not wait for it
types=$!
# Compiled here, by one process, what each of those below would compile at the same time.
python -c 'import plotly.graph_objects, streamlit.testing.v1, torch._dynamo, torchvision.transforms.v2'
ruff check .
ruff format --check .
biome ci --error-on-warnings
tsc -p tests/js
node --test --test-reporter=spec tests/js/*.test.js
# One process more than cores: much of what faults and browsers do is waited for.
processes=$(python -c 'from trainer.settings import usable_cores; print(usable_cores() + 1)')
python -m pytest tests/unit tests/ui tests/faults -n "$processes" --dist worksteal -rs --durations=20
wait "$types"
exec python -m pytest tests/e2e -n "$processes" --dist worksteal -rs --durations=20 # each process with a server and a browser of its own
