#!/usr/bin/env bash
# All checks, as `make test` and CI run them. Needs Go and a C compiler (for the
# race detector); says what is missing instead of skipping.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v go >/dev/null || missing+=("Go 1.26 or newer")
command -v git >/dev/null || missing+=("git")
if ! command -v gcc >/dev/null && ! command -v clang >/dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		echo "installing gcc for the race detector" >&2
		apt-get update -qq && apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
	else
		missing+=("a C compiler (Debian: gcc libc6-dev)")
	fi
fi
if [ ${#missing[@]} -gt 0 ]; then
	printf 'missing: %s\n' "${missing[@]}" >&2
	exit 1
fi

echo "== formatting" >&2
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
	printf 'gofmt would change:\n%s\n' "$unformatted" >&2
	exit 1
fi
echo "== modules" >&2
go mod verify >&2
go mod tidy -diff >&2
echo "== vet" >&2
go vet ./...
echo "== tests" >&2
CGO_ENABLED=1 go test -race -timeout 15m ./...
