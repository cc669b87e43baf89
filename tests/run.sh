#!/usr/bin/env bash
# Installs what the tests need, the browser included, and runs every check. Safe to run again; nothing is installed twice.
# With arguments, runs only pytest with those arguments: bash tests/run.sh tests/unit -k cosine
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "$(command -v chromium chromium-browser google-chrome || true)" ] && command -v apt-get >/dev/null; then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet -r tests/requirements.txt
export PATH="$PWD/.venv/bin:$PATH"
[ -n "$(command -v chromium chromium-browser google-chrome || true)" ] || playwright install chromium

if [ $# -gt 0 ]; then
  exec python -m pytest "$@"
fi
ruff check .
ruff format --check .
mypy
python -m pytest tests/unit tests/ui tests/faults -n "$(python -c 'from trainer.settings import usable_cores; print(usable_cores())')" -rs
exec python -m pytest tests/e2e -rs
