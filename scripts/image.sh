#!/usr/bin/env bash
# Builds the image from deploy/Containerfile. The same commit and the same version
# of Go and buildah give the same image.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: scripts/image.sh [ARCH]...

Builds the image addcard:VERSION, also named addcard:latest. With buildah it is a
manifest of an image for each ARCH, by default amd64 and arm64; with docker it is
one for this machine. It needs no network once the Go modules are downloaded.

environment:
  DIST   where the files of the image are made, in the folder image; by default dist
USAGE
}
case "${1:-}" in
-h | --help) usage; exit 0 ;;
-*) usage >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
architectures=("$@")
builder=buildah
command -v buildah >/dev/null || builder=docker
if [ $# -eq 0 ]; then
	architectures=(amd64 arm64)
	[ "$builder" = buildah ] || architectures=("$(go env GOARCH)")
fi
VERSION=${VERSION:-$(git describe --tags --always --dirty)}
COMMIT=${COMMIT:-$(git rev-parse HEAD)}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export VERSION COMMIT SOURCE_DATE_EPOCH

files=${DIST:-dist}/image
rm -rf "$files" && mkdir -p "$files"
(cd deploy && GOFLAGS= go run ./licenses) >"$files/THIRD_PARTY_LICENSES"
for arch in "${architectures[@]}"; do
	mkdir "$files/$arch"
	cp LICENSE "$files/THIRD_PARTY_LICENSES" "$files/$arch"
	GOOS=linux GOARCH=$arch scripts/build.sh "$files/$arch/server"
done
rm "$files/THIRD_PARTY_LICENSES"
mkdir -p "$files/writable/data" "$files/writable/tmp"
chmod -R u=rwX,go=rX "$files"
chmod 700 "$files/writable/data"
chmod 1777 "$files/writable/tmp"
find "$files" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

args=(-f deploy/Containerfile --build-arg "VERSION=$VERSION" --build-arg "COMMIT=$COMMIT")
if [ "$builder" = docker ]; then
	docker build "${args[@]}" -t "addcard:$VERSION" -t addcard:latest "$files"
	exit
fi
platforms=$(printf ',linux/%s' "${architectures[@]}")
buildah manifest exists "addcard:$VERSION" && buildah manifest rm "addcard:$VERSION" >/dev/null
# OCI's format has no health check, but that of docker would have a random ID in it.
buildah build "${args[@]}" --format oci --timestamp "$SOURCE_DATE_EPOCH" --platform "${platforms#,}" --manifest "addcard:$VERSION" "$files"
buildah tag "addcard:$VERSION" addcard:latest
