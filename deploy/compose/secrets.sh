#!/bin/sh
# Makes secrets/ for replicas.yaml: each secret of .env in a file of its own, and
# passwords for PostgreSQL and Redis. Files that exist stay as they are.
set -eu
cd "$(dirname "$0")"
umask 022 # the containers read the files as users of their own; others cannot enter secrets/
mkdir -p secrets && chmod 700 secrets

# write stores standard input in the file $1.
write() {
	if [ -e "secrets/$1" ]; then
		cat >/dev/null
	else
		cat >"secrets/$1"
	fi
}
random() { od -An -tx1 -N24 /dev/urandom | tr -d ' \n'; }

for name in MINIPROGRAM_APP_SECRET OFFICIAL_APP_SECRET CALLBACK_TOKEN CALLBACK_AES_KEY SESSION_KEYS DATA_KEYS ADMIN_TOKEN; do
	value=$(sed -n "s/^$name=//p" .env | sed "s/^'\(.*\)'\$/\1/")
	if [ -z "$value" ]; then
		echo "secrets.sh: $name in .env is empty" >&2
		exit 1
	fi
	printf '%s\n' "$value" | write "$(echo "$name" | tr A-Z a-z)"
done
random | write postgres_password
echo "postgres://addcard:$(cat secrets/postgres_password)@postgres:5432/addcard?sslmode=disable" | write database_url
redis=$(random)
echo "redis://:$redis@redis:6379/0" | write redis_url
printf 'requirepass %s\nmaxmemory-policy noeviction\nappendonly yes\ndir /data\n' "$redis" | write redis_conf
