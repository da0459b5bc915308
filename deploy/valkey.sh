#!/bin/sh
# Starts Valkey with the settings of the embedded one, one user for the dispatcher and no rights for anyone else.
set -eu

case $REDIS_PASSWORD in
  *replace-me*) echo "DISPATCHER_REDIS_PASSWORD in .env still says replace-me: run deploy/prepare.sh" >&2; exit 1 ;;
esac

cd "${DATA:-/data}"
# Settings by standard input: no password in the process list. INFO and CLIENT are what RQ asks for beyond its data.
# A here-document and not a pipe: the server itself becomes process 1 and hears the SIGTERM of `docker stop`.
exec "${VALKEY_SERVER:-valkey-server}" - <<END
$(cat "${SETTINGS:-/etc/dispatcher/valkey.conf}")
port 6379
user default off
user dispatcher on >$REDIS_PASSWORD ~* &* +@all -@admin -@dangerous +info +client|list +client|setname +client|setinfo
END
