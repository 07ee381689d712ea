#!/bin/sh
# Opens a running cluster to other machines:  ops/open.sh HEAD [FOLDER]
#
# HEAD is the name or address by which they reach this machine.  FOLDER (./tls) gets an authority
# and a certificate for Redis, and FOLDER/join all that another machine needs to take part: copy
# it there and say `docker compose up -d` in it.  Harmless to run again; the authority stays.
set -eu
umask 077
head=${1:?usage: ops/open.sh HEAD [FOLDER]}
folder=${2:-tls}
ops=$(dirname "$0")

"$ops/certificate.sh" "$head" "$folder"
mkdir -p "$folder/join"
cp "$folder/ca.crt" "$folder/join/ca.crt"
cp "$ops/worker.yml" "$folder/join/docker-compose.yml"
docker compose exec -T flower cat /run/shardmill/redis-password >"$folder/join/redis-password"
cat >"$folder/join/.env" <<END
# The user on the other machine to whom this folder belongs there, and its media and results.
SHARDMILL_UID=$(id -u)
SHARDMILL_GID=$(id -g)
SHARDMILL_DATA=/data
SHARDMILL_OUT=/out
SHARDMILL_HEAD=$head
SHARDMILL_REDIS_PORT=${SHARDMILL_REDIS_PORT:-6380}
SHARDMILL_IMAGE=${SHARDMILL_IMAGE:-shardmill}
END
echo "Redis takes the certificate when it starts:  docker compose up -d --force-recreate redis"
echo "On another machine, with $folder/join copied there:  docker compose up -d"
