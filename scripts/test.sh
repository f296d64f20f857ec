#!/usr/bin/env bash
# Runs all checks, as `make test` and CI do. No check is skipped because a tool
# is missing: the tool is installed, or the run ends with a list of what to
# install.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
	cat <<'USAGE'
usage: scripts/test.sh

Runs all checks. Tools that are missing are installed first when this runs as
root on Debian; what is going to be installed is printed before.

environment:
  INSTALL=0   install nothing: list what is missing and exit with 1
USAGE
}
case "$*" in
"") ;;
-h | --help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac
case "${INSTALL:-1}" in
0 | 1) ;;
*) echo "scripts/test.sh: INSTALL is 0 or 1, not \"$INSTALL\"" >&2; usage >&2; exit 2 ;;
esac

missing=()  # what only the user can install
packages=() # Debian packages
has() { command -v "$1" >/dev/null; }

has go || missing+=("Go $(sed -n 's/^go //p' go.mod) or newer, https://go.dev/dl")
has git || packages+=(git)
has curl || packages+=(curl) # the documentation's commands use it
has redis-server || packages+=(redis-server)
has redis-sentinel || packages+=(redis-sentinel)
has strace || packages+=(strace)
# deploy/ is started, or checked by what starts it.
has buildah || packages+=(buildah)
has nginx || [ -x /usr/sbin/nginx ] || packages+=(nginx-light)
has systemd-analyze || packages+=(systemd)
has php || packages+=(php-cli) # the receivers of docs/webhooks
has python3 || packages+=(python3)
# Debian keeps PostgreSQL's own programs out of the PATH.
if ! has initdb && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
	packages+=(postgresql)
fi
has pgbouncer || [ -x /usr/sbin/pgbouncer ] || packages+=(pgbouncer) # outside of the PATH of most users
if ! has gcc && ! has clang; then
	packages+=(gcc libc6-dev) # the race detector needs them
fi
# The sample mini-program and the journeys through the console: Node.js, a browser, and a font with Chinese characters.
has node || packages+=(nodejs)
has npm || packages+=(npm)
if [ ! -x "${CHROMIUM:-}" ] && ! has chromium && ! has chromium-browser && ! has google-chrome && ! has google-chrome-stable; then
	packages+=(chromium)
fi
if [ -z "$(fc-list :lang=zh 2>/dev/null)" ]; then
	packages+=(fontconfig fonts-noto-cjk)
fi

if [ ${#packages[@]} -gt 0 ] && [ "${INSTALL:-1}" = 1 ] && [ "$(id -u)" = 0 ] && has apt-get; then
	echo "== installing Debian packages: ${packages[*]}" >&2
	echo "   (make test INSTALL=0 lists what is missing instead)" >&2
	apt-get update -qq
	apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
	packages=()
fi
if has node && [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
	missing+=("Node.js 20 or newer; this is $(node --version)")
fi
if [ ${#packages[@]} -gt 0 ]; then
	printf 'missing: Debian package %s\n' "${packages[@]}" >&2
	echo "to install them: apt-get install --no-install-recommends ${packages[*]}" >&2
fi
if [ ${#missing[@]} -gt 0 ]; then
	printf 'missing: %s\n' "${missing[@]}" >&2
fi
if [ $((${#packages[@]} + ${#missing[@]})) -gt 0 ]; then
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
if [ -n "${CI:-}" ]; then # needs modules that only their own tests use
	go mod tidy -diff >&2
fi
echo "== vet" >&2
go vet ./...
echo "== deployment" >&2
(cd deploy && go vet ./... && go test -vet=off ./...)
echo "== mini-program" >&2
(cd miniprogram && npm ci --no-audit --no-fund >&2 && npm test >&2)
echo "== console in Chromium" >&2
(cd internal/testing/journeys && npm ci --no-audit --no-fund >&2 && npm test >&2)
echo "== tests" >&2
# Simulated days, of which the race detector sees a part.
go test -vet=off -timeout 10m ./internal/ticket
# SQLite's C code, translated to Go, is not ours to check, and instrumented it takes
# half of the time of all tests; nor are unsafe pointers, which only other modules use.
# GOFLAGS, so that tests that build programs do the same.
unchecked='-race=false -d=checkptr=0'
GOFLAGS="${GOFLAGS:-} -gcflags=all=-d=checkptr=0"
for package in sqlite/lib libc memory; do
	GOFLAGS+=" '-gcflags=modernc.org/$package=$unchecked'"
done
export GOFLAGS
# Otherwise each program waits for a second before it ends.
export GORACE="atexit_sleep_ms=0 ${GORACE:-}"
# Databases of tests are in memory where there is enough of it: their tables are created
# in a third of the time. The programs that tests build must be able to run there.
if in_memory=$(mktemp -d /dev/shm/addcard-XXXXXX 2>/dev/null); then
	trap 'rm -rf "$in_memory"' EXIT
	room=$(df --output=avail -k "$in_memory" | tail -1)
	ram=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	printf '#!/bin/sh\n' >"$in_memory/run" && chmod 755 "$in_memory/run"
	if [ $((${room:-0} >> 20)) -ge 8 ] && [ $((${ram:-0} >> 20)) -ge 12 ] && "$in_memory/run" 2>/dev/null; then
		chmod 755 "$in_memory" # PostgreSQL runs as a user of its own
		export GOTMPDIR=${GOTMPDIR:-${TMPDIR:-/tmp}} TMPDIR=$in_memory
	fi
fi
# Many tests wait for a server or a clock: more of them than there are processors. They
# were vetted above.
more=$(($(getconf _NPROCESSORS_ONLN) + 1))
CGO_ENABLED=1 go test -race -vet=off -timeout 60m -p "$more" -parallel "$more" ./...
