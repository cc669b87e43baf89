#!/usr/bin/env bash
# Builds the image and treats it as a server's operator does, and worse: kills, restarts, updates, backups. Every command of
# docs/deploy.md and the README's own are executed as they are printed. Takes half an hour; not part of tests/run.sh.
# With arguments, only some of it: tests/container/run.sh readme keep
#
# Needs Docker with Compose. Where no daemon answers, root starts one with its data in $DOCKER_DATA, which stays for the next time.
# Exit code 0: all held; 77: nothing could be tried here, and the last line says why; anything else: a check failed.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PROBE=$ROOT/tests/container/probe.py
GUIDE=$ROOT/docs/deploy.md
WORK=$(mktemp -d)
LOCKED=(--init --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --pids-limit 512)
daemon=

skip() { echo "Not tried: $1"; exit 77; }
fail() { echo "FAILED: $1" >&2; exit 1; }
title() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

clean_up() {
  status=$?
  [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || docker logs --tail 40 lone 2>&1 || true
  docker rm -f lone >/dev/null 2>&1 || true
  if [ -f "$WORK/server/.env" ]; then
    (cd "$WORK/server" && { [ "$status" -eq 0 ] || docker compose logs --tail 40; docker compose down --volumes; } 2>&1 | tail -80) || true
    docker volume rm trainscope_database trainscope_certificates >/dev/null 2>&1 || true
  fi
  docker volume rm trainscope-lone trainscope >/dev/null 2>&1 || true
  [ -z "$daemon" ] || kill "$daemon"
  rm -rf "$WORK"
}

# Compose is a plug-in of Docker, or a program of its own.
docker() {
  if [ "${1:-}" = compose ] && ! command docker compose version >/dev/null 2>&1; then
    shift
    docker-compose "$@"
  else
    command docker "$@"
  fi
}

start_daemon() {
  docker info >/dev/null 2>&1 && return
  command -v docker >/dev/null || skip "docker is not installed."
  command -v dockerd >/dev/null && [ "$(id -u)" = 0 ] || skip "no Docker daemon answers, and none can be started here."
  data=${DOCKER_DATA:-/var/tmp/trainscope-docker}
  mkdir -p "$data"
  export DOCKER_HOST=unix://$data/docker.sock
  dockerd --data-root "$data/data" --exec-root "$data/exec" --pidfile "$data/pid" -H "$DOCKER_HOST" >"$data/log" 2>&1 &
  daemon=$!
  for _ in $(seq 60); do docker info >/dev/null 2>&1 && return; sleep 0.5; done
  skip "dockerd did not start: $(tail -1 "$data/log")"
}

need_image() {
  docker image inspect "$1" >/dev/null 2>&1 || docker pull -q "$1" ||
    skip "the image $1 is not here and no registry answers. tests/container/stand_ins.sh makes a substitute."
}

# Executes what the guide prints below a heading, in the current folder.
guide() {
  title "docs/deploy.md: $1"
  awk -v heading="## $1" '/^## / { here = $0 == heading } /^```/ { code = here && $0 == "```bash"; next } code' "$GUIDE" >"$WORK/commands"
  [ -s "$WORK/commands" ] || fail "docs/deploy.md has no commands below \"$1\"."
  cat "$WORK/commands"
  # shellcheck disable=SC1091
  . "$WORK/commands"
}

healthy() { # a container's id or name
  for _ in $(seq 180); do
    state=$(docker inspect -f '{{.State.Health.Status}}' "$1")
    [ "$state" != healthy ] || return 0
    sleep 1
  done
  fail "$1 is $state after three minutes."
}

ask() { docker exec -i lone python - "$@" <"$PROBE"; }
ask_team() { docker compose exec -T app python - "$@" <"$PROBE"; }
app() { docker compose ps -q "$1"; }
is() { [ "$1" = "$2" ] || fail "$3: $1 instead of $2."; echo "  $3: $1"; }

lone() { # a container of the small kind, locked down, with limits
  docker run -d --name lone "${LOCKED[@]}" --stop-timeout 40 --memory 2500m --cpus 1 \
    -e STREAMLIT_SERVER_PORT=9000 -p 127.0.0.1:18599:9000 -v trainscope-lone:/data "${1:-trainscope}" >/dev/null
  healthy lone
}

undisturbed() {
  title "A locked-down container on a port of its own"
  lone
  curl -fsS http://127.0.0.1:18599/api/ready >/dev/null
  is "$(docker exec lone id -u)" 1000 "user"
  is "$(docker exec lone python -c 'from trainer.settings import usable_cores; print(usable_cores())')" 1 "cores that it uses"
  is "$(docker exec lone python -c 'from trainer.settings import usable_memory; print(usable_memory())')" 2621440000 "memory that it counts on"
  is "$(curl -s -o "$WORK/answer" -w '%{http_code}' http://127.0.0.1:18599/_stcore/metrics)" 404 "metrics"
  docker logs lone >"$WORK/log" 2>&1
  grep -q "answers under any name" "$WORK/log" || fail "The log does not warn that no host names are set."
  ! grep -q "External URL" "$WORK/log" || fail "Streamlit has looked up its external address."
  REFERENCE=$(ask end "$(ask create 300)")
  is "${REFERENCE% *}" 1 "attempts of a run that nobody disturbs"
}

stopped() {
  title "Stopped in training"
  run=$(ask create)
  ask past "$run" 100
  before=$SECONDS
  docker stop lone >/dev/null
  took=$((SECONDS - before))
  [ "$took" -lt 40 ] || fail "It took $took s to stop."
  echo "  stopped in $took s"
  [ "$(docker inspect -f '{{.State.ExitCode}}' lone)" != 137 ] || fail "It was killed."
  # Nothing trains here: these are the database and the checkpoint as the stop left them.
  saved=$(docker run -i --rm -v trainscope-lone:/data trainscope python - saved "$run" <"$PROBE")
  is "${saved#* }" "${saved% *}" "the checkpoint's step is the last one"
  docker start lone >/dev/null
  healthy lone
  is "$(ask end "$run")" "2 ${REFERENCE#* }" "attempts and curves"
}

killed() {
  title "Killed in training"
  run=$(ask create)
  ask past "$run" 100
  docker kill lone >/dev/null
  docker start lone >/dev/null
  healthy lone
  is "$(ask end "$run")" "2 ${REFERENCE#* }" "attempts and curves"
}

limited() {
  title "Six runs within 2.5 GB and one core"
  runs=$(for _ in 1 2 3 4 5 6; do ask create 300; done)
  for run in $runs; do
    found=$(ask end "$run")
    is "${found#* }" "${REFERENCE#* }" "curves of run $run"
  done
  is "$(docker inspect -f '{{.State.OOMKilled}}' lone)" false "killed for memory"
}

# The version before the newest migration, on the same packages.
older_version() {
  title "Update from the schema before"
  docker rm -f lone >/dev/null
  docker volume rm trainscope-lone >/dev/null
  newest=$(git -C "$ROOT" log --diff-filter=A --format=%H -1 -- trainer/migrations/versions)
  mkdir "$WORK/older"
  git -C "$ROOT" archive "$newest^" app.py pages trainer .streamlit | tar -x -C "$WORK/older"
  printf 'FROM trainscope\nUSER root\nRUN rm -r /app && mkdir /app\nCOPY . /app\nUSER trainscope\n' >"$WORK/older/Dockerfile"
  docker build -q -t trainscope-older "$WORK/older" >/dev/null
  lone trainscope-older
  run=$(ask create)
  ask past "$run" 100
  docker stop lone >/dev/null
  docker rm lone >/dev/null
  lone
  is "$(ask end "$run")" "2 ${REFERENCE#* }" "attempts and curves"
  docker rmi -f trainscope-older >/dev/null
}

readme() {
  title "The README's command"
  awk '/^## / { here = $0 == "## In a container" } /^```/ { code = here && $0 == "```bash"; next } code' "$ROOT/README.md" >"$WORK/commands"
  cat "$WORK/commands"
  (cd "$ROOT" && exec bash -euo pipefail "$WORK/commands") >"$WORK/readme.log" 2>&1 &
  for _ in $(seq 180); do curl -fs http://localhost:8501/api/ready >/dev/null && break; sleep 1; done
  curl -fsS http://localhost:8501/api/ready
  echo
  docker stop "$(docker ps -q --filter volume=trainscope)" >/dev/null
  wait $! || true
  docker rm "$(docker ps -aq --filter volume=trainscope)" >/dev/null
  docker volume rm trainscope >/dev/null
}

server_folder() {
  cd "$WORK/server" 2>/dev/null && return
  docker rm -f lone >/dev/null # its memory
  mkdir "$WORK/server"
  cd "$WORK/server"
  cp "$ROOT/compose.yaml" "$ROOT/.env.example" .
  guide "Prepare the folder"
  sed -i -e 's/^DOMAIN=.*/DOMAIN=localhost/' -e "s/^APP_MEMORY=.*/APP_MEMORY=3g/" .env
}

small() {
  server_folder
  title "Profile small"
  sed -i 's/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=small/' .env
  docker compose up -d
  healthy "$(app lab)"
  curl -fsS http://localhost:8501/api/ready
  echo
  docker compose down --volumes
  sed -i 's/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=team/' .env
}

disturbed() { # what is done to the team's server in training; how many attempts the run then takes
  title "In training: $1"
  run=$(ask_team create)
  ask_team past "$run" 100
  eval "$1"
  docker compose up -d
  healthy "$(app app)"
  is "$(ask_team end "$run")" "$2 ${REFERENCE#* }" "attempts and curves"
}

team() {
  server_folder
  guide "First start"
  for _ in $(seq 60); do curl -fsk https://localhost/api/ready >/dev/null && break; sleep 1; done
  guide "Trust its certificate"
  guide "Watch it"
  is "$(curl -s -o "$WORK/answer" -w '%{http_code}' --cacert authority.crt https://localhost/_stcore/metrics)" 404 "metrics"
  ! curl -fs -m 2 http://127.0.0.1:8501/api/health || fail "The app's own port is open."
  disturbed "docker compose restart db" 1
  disturbed "docker compose kill db" 1
  disturbed "docker compose kill app" 2
}

keep() { # a run goes on through all that an operator does
  server_folder
  docker compose up -d
  healthy "$(app app)"
  run=$(ask_team create 8)
  ask_team past "$run" 100
  guide "Stop and start"
  healthy "$(app app)"
  ask_team past "$run" 200
  guide "Back up"
  healthy "$(app app)"
  lost=$(ask_team create 300) # after the backup
  ask_team end "$lost" >/dev/null
  ask_team end "$run" >/dev/null
  guide "Restore"
  healthy "$(app app)"
  is "$(ask_team end "$run")" "3 ${REFERENCE#* }" "attempts and curves, stopped, backed up and restored"
  docker compose exec -T app python -m trainer runs
}

update() {
  server_folder
  docker compose up -d
  healthy "$(app app)"
  run=$(ask_team create)
  ask_team past "$run" 100
  printf 'FROM trainscope\nLABEL update=1\n' | docker build -q -t trainscope - >/dev/null
  old=$(app app)
  guide "Update"
  [ "$(app app)" != "$old" ] || fail "The app was not replaced."
  healthy "$(app app)"
  is "$(ask_team end "$run")" "2 ${REFERENCE#* }" "attempts and curves"
}

trap clean_up EXIT
start_daemon
docker compose version >/dev/null 2>&1 || skip "Compose is not installed."
[ -z "$(docker volume ls -q | grep -x -e trainscope -e 'trainscope[_-].*' || true)" ] ||
  skip "this Docker already has volumes called trainscope, perhaps of a server in use."
for image in python:3.12-slim postgres:17 caddy:2; do need_image "$image"; done
cd "$ROOT"
guide "Build the image"
docker image inspect -f 'Image: {{.Size}} bytes' trainscope
undisturbed
[ $# -gt 0 ] || set -- stopped killed limited older_version readme small team keep update
for part; do
  cd "$ROOT"
  "$part"
done
title "All held"
