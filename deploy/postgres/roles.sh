#!/bin/sh
# Runs once, on an empty database folder: the two roles of the ledger (section 11), as in config/servers/postgres.py.
set -eu

for password in "$POSTGRES_PASSWORD" "$DISPATCHER_OWNER_PASSWORD" "$DISPATCHER_APP_PASSWORD"; do
  case $password in
    *replace-me*) echo "A password in .env still says replace-me: run deploy/prepare.sh" >&2; exit 1 ;;
    *[!A-Za-z0-9]*) echo "Passwords in .env may hold letters and digits only" >&2; exit 1 ;;
  esac
done

export PGPASSWORD="$POSTGRES_PASSWORD"
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname template1 <<SQL
CREATE ROLE dispatcher_owner LOGIN PASSWORD '$DISPATCHER_OWNER_PASSWORD';
CREATE ROLE dispatcher_app LOGIN PASSWORD '$DISPATCHER_APP_PASSWORD';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<SQL
CREATE DATABASE dispatcher OWNER dispatcher_owner TEMPLATE template1;
REVOKE ALL ON DATABASE dispatcher FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE dispatcher TO dispatcher_app;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
SQL
