#!/usr/bin/env bash
# Runs every fuzz target for the given time.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { echo "usage: scripts/fuzz.sh [TIME]    each fuzz target for TIME, for example 30s (the default) or 5m"; }
case "${1:-}" in
-h | --help) usage; exit 0 ;;
esac
time=${1:-30s}
if [ $# -gt 1 ] || ! [[ $time =~ ^[0-9]+(s|m|h|x)$ ]]; then
	usage >&2
	exit 2
fi

for file in $(git grep -l '^func Fuzz' -- '*_test.go'); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== $file $target" >&2
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$(dirname "$file")"
	done
done
