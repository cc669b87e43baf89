#!/usr/bin/env bash
# Makes substitutes for the three official images where no registry can be reached, from Debian packages and a Python 3.12 tree:
#   tests/container/stand_ins.sh /path/to/python3.12
# Needs root, debootstrap and Debian's caddy. They are good enough to try the app's image and compose.yaml, and for nothing else.
set -euo pipefail
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debootstrap --variant=minbase --include=ca-certificates,libssl3,libsqlite3-0,libffi8,zlib1g,libbz2-1.0,liblzma5,libreadline8,libncursesw6,libuuid1,libexpat1,libstdc++6 \
  bookworm "$work/base" >/dev/null
cp -a "$python/bin" "$python/lib" "$work/base/usr/local/"
grep -lI "^#!$python" "$work"/base/usr/local/bin/* | xargs sed -i "1s|^#!$python|#!/usr/local|"
chroot "$work/base" ldconfig
# As on this machine, so that pip finds its registry behind a company's proxy.
cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$work/base/etc/pip.conf"
tar -C "$work/base" -c . | docker import - python:3.12-slim

mkdir "$work/postgres" "$work/caddy"
cat >"$work/postgres/start.sh" <<'START'
set -eu
data=/var/lib/postgresql/data
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
mkdir -p $data
chown postgres $data /var/run/postgresql
chmod 700 $data
if [ ! -s $data/PG_VERSION ]; then
  as_postgres initdb -D $data -U "$POSTGRES_USER" -A scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --pwfile="$POSTGRES_PASSWORD_FILE"
  echo "host all all all scram-sha-256" >>$data/pg_hba.conf
  as_postgres pg_ctl -D $data -o "-c listen_addresses=" -w start
  PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") createdb -h /var/run/postgresql -U "$POSTGRES_USER" "$POSTGRES_USER"
  as_postgres pg_ctl -D $data -w stop
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D $data -c listen_addresses='*'
START
cat >"$work/postgres/Dockerfile" <<'DOCKERFILE'
FROM python:3.12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
COPY start.sh /
ENTRYPOINT ["sh", "/start.sh"]
DOCKERFILE
docker build -t postgres:17 "$work/postgres"

cp "$(command -v caddy)" "$work/caddy/"
printf 'FROM python:3.12-slim\nCOPY caddy /usr/bin/\nENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config\n' >"$work/caddy/Dockerfile"
docker build -t caddy:2 "$work/caddy"
