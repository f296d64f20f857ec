#!/usr/bin/env bash
# Builds the server as it is released: static, stripped, and with the same bytes
# wherever the same commit is built with the same version of Go.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: scripts/build.sh FILE

Builds the server into FILE, for the platform GOOS/GOARCH.

environment:
  VERSION, COMMIT   what `server version` prints; by default what git describes
USAGE
}
case "${1:-}" in
-h | --help) usage; exit 0 ;;
esac
if [ $# -ne 1 ]; then
	usage >&2
	exit 2
fi
case $1 in
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
commit=${COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}

# nomsgpack leaves out gin's codec for MessagePack, 6 MB that nothing here uses. GOFLAGS
# and GOAMD64 of the environment must not change the bytes. The version is told by
# ldflags, because the go command records none in a work tree of git.
env GOFLAGS= GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0 "${GO:-go}" build -trimpath -buildvcs=false -tags nomsgpack \
	-ldflags "-s -w -X main.version=$version -X main.commit=$commit" -o "$out" ./cmd/server
