#!/bin/sh
# Makes what docker-compose.yml needs and nobody may share: .env with random passwords, and an internal CA with two
# certificates (proxy, api) in deploy/tls. What exists is kept. Replace deploy/tls/proxy.{crt,key} by a publicly
# trusted pair before carriers are to send receipts.
#   sh deploy/prepare.sh HOST
set -eu

host=${1:?usage: sh deploy/prepare.sh HOST}
cd "$(dirname "$0")/.."
umask 077

if [ ! -e .env ]; then
  while IFS= read -r line; do
    case $line in
      DISPATCHER_HOST=*) echo "DISPATCHER_HOST=$host" ;;
      *=replace-me) echo "${line%%=*}=$(openssl rand -hex 24)" ;;
      *) echo "$line" ;;
    esac
  done < deploy/example.env > .env.new
  mv .env.new .env
  echo "made .env"
fi

mkdir -p deploy/tls
cd deploy/tls
if [ ! -e ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Campaign dispatcher CA" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.crt 2>/dev/null
  echo "made deploy/tls/ca.crt"
fi
for one in "proxy $host" "api api"; do
  name=${one%% *} dns=${one#* }
  [ -e "$name.crt" ] && continue
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$dns" -keyout "$name.key" -out "$name.csr" 2>/dev/null
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$dns" > "$name.ext"
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 820 -extfile "$name.ext" -out "$name.crt" 2>/dev/null
  rm "$name.csr" "$name.ext"
  echo "made deploy/tls/$name.crt"
done
chmod 644 ./*.crt api.key  # the api's container user reads its key; the folder itself is 0700
