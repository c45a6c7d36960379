#!/bin/sh
# Runs once in the postgres image, when the cluster is created: the database, its owner (migrations) and the role of
# metadata_service, which owns nothing and neither is a superuser nor bypasses row-level security.
# psql quotes the passwords (:'name'), so they may contain any character.
set -eu

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set owner_password="$STRONGROOM_OWNER_PASSWORD" --set app_password="$STRONGROOM_APP_PASSWORD" <<'SQL'
CREATE ROLE strongroom_owner LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE strongroom_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'app_password';
CREATE DATABASE strongroom OWNER strongroom_owner;
SQL
