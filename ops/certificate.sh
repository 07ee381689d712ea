#!/bin/sh
# A certificate for Redis and the authority that vouches for it:  ops/certificate.sh HEAD FOLDER
#
# HEAD is the name or address that clients use.  FOLDER gets ca.crt, redis.crt and redis.key, and
# ca.key, which nobody but the next call needs; an authority that is there stays.
set -eu
umask 077
head=${1:?usage: ops/certificate.sh HEAD FOLDER}
folder=${2:?usage: ops/certificate.sh HEAD FOLDER}
case $head in
  *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) names="IP:$head" ;;
  *) names="DNS:$head" ;;
esac

request() { # request NAME DAYS OPTION...
  name=$1 days=$2
  shift 2
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -sha256 -days "$days" \
    -keyout "$folder/$name.key" -out "$folder/$name.crt" "$@" 2>/dev/null
}

mkdir -p "$folder"
# The extensions are those without which Python 3.13 believes no certificate.
if [ ! -s "$folder/ca.crt" ]; then
  request ca 3650 -subj '/CN=shardmill authority' -addext 'keyUsage=critical,keyCertSign,cRLSign'
fi
request redis 825 -subj "/CN=$head" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" \
  -addext "subjectAltName=$names" -addext 'basicConstraints=critical,CA:FALSE' \
  -addext 'keyUsage=critical,digitalSignature' -addext 'extendedKeyUsage=serverAuth'
