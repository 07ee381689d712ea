#!/bin/sh
# What the other services of docker-compose.yml need before they start: passwords, Redis' users,
# and volumes that belong to the user they run as.  Harmless to run again; runs as root, alone.
set -eu
umask 077
owner="$SHARDMILL_UID:$SHARDMILL_GID"
secrets=/run/shardmill

keep() { # keep FILE: put standard input there, whole or not at all
  cat >"$1.new"
  chown "$owner" "$1.new"
  mv "$1.new" "$1"
}

password() { # password NAME GIVEN: the given one, else the one of last time, else a new one
  if [ -n "$2" ]; then
    printf '%s' "$2" | keep "$secrets/$1"
  elif [ ! -s "$secrets/$1" ]; then
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' | keep "$secrets/$1"
    echo "prepare: made $1; read it with: docker compose exec flower cat $secrets/$1"
  fi
}

password redis-password "${SHARDMILL_REDIS_PASSWORD:-}"
password flower-password "${SHARDMILL_FLOWER_PASSWORD:-}"
digest=$(tr -d '\n' <"$secrets/redis-password" | sha256sum | cut -d ' ' -f 1)
sed -e '/^#/d' -e "s/{PASSWORD_SHA256}/$digest/" /ops/users.acl | keep "$secrets/users.acl"
chown "$owner" "$secrets" /volumes/redis /volumes/flower
# An output folder that Docker has just made belongs to root; one with something in it is yours.
if [ -z "$(ls -A /out)" ]; then chown "$owner" /out; fi
