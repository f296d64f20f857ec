#!/usr/bin/env bash
# All checks, as `make test` and CI run them. What is missing is installed where
# that is possible (Debian, as root), else named; nothing is skipped for it.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
packages=()
command -v go >/dev/null || missing+=("Go 1.26.6 or newer")
command -v git >/dev/null || packages+=(git)
command -v curl >/dev/null || packages+=(curl) # the documentation's commands use it
command -v redis-server >/dev/null || packages+=(redis-server)
command -v redis-sentinel >/dev/null || packages+=(redis-sentinel)
command -v strace >/dev/null || packages+=(strace)
# Debian keeps PostgreSQL's own programs out of the PATH.
if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
	packages+=(postgresql)
fi
if ! command -v gcc >/dev/null && ! command -v clang >/dev/null; then
	packages+=(gcc libc6-dev) # the race detector needs them
fi
# The sample mini-program: Node.js, a browser, and a font without which Chinese is boxes.
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
if [ ! -x "${CHROMIUM:-}" ] && ! command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then
	packages+=(chromium)
fi
if [ -z "$(fc-list :lang=zh 2>/dev/null)" ]; then
	packages+=(fontconfig fonts-noto-cjk)
fi
if [ ${#packages[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		echo "== installing ${packages[*]}" >&2
		apt-get update -qq
		apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
	else
		missing+=("Debian packages: ${packages[*]}")
	fi
fi
if command -v node >/dev/null && [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
	missing+=("Node.js 20 or newer; this is $(node --version)")
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
if [ -n "${CI:-}" ]; then # needs modules that only their own tests use
	go mod tidy -diff >&2
fi
echo "== vet" >&2
go vet ./...
echo "== mini-program" >&2
(cd miniprogram && npm ci --no-audit --no-fund >&2 && npm test >&2)
echo "== tests" >&2
CGO_ENABLED=1 go test -race -timeout 15m ./...
