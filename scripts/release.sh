#!/usr/bin/env bash
# Makes a release of the commit that is checked out. The same commit and the same
# version of Go give the same bytes.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: scripts/release.sh [OS/ARCH]...

Makes a release in dist/: an archive and an SBOM for each platform, the licences
of everything in the program, the part of CHANGELOG.md, and SHA256SUMS. Without
arguments it makes all platforms. Needs GNU tar.

environment:
  DIST   the folder, which is replaced; by default dist
USAGE
}
case "${1:-}" in
-h | --help) usage; exit 0 ;;
esac
for platform in "$@"; do
	case $platform in
	[a-z]*/[a-z]*) ;;
	*) usage >&2; exit 2 ;;
	esac
done
cd "$(dirname "$0")/.."
platforms=("$@")
[ $# -gt 0 ] || platforms=({linux,darwin,windows}/{amd64,arm64})
export VERSION=${VERSION:-$(git describe --tags --always --dirty)}
epoch=$(git log -1 --format=%ct)
dist=$(realpath -m "${DIST:-dist}")

# The part of the version, and for a commit without a tag what is not released yet.
notes() {
	awk -v "title=## [$1]" 'index($0, "## [") == 1 {if (on) exit; on = index($0, title) == 1; next} on' CHANGELOG.md
}
tag=$(git describe --tags --exact-match 2>/dev/null || true)
notes=$(notes "${tag#v}")
[ -n "$tag" ] || notes=$(notes Unreleased)
if [ -z "$notes" ]; then
	echo "scripts/release.sh: CHANGELOG.md has no part ## [${tag#v}]" >&2
	exit 1
fi

rm -rf "$dist" && mkdir -p "$dist"
printf '%s\n' "$notes" >"$dist/RELEASE_NOTES.md"
(cd deploy && GOFLAGS= go run ./licenses) >"$dist/THIRD_PARTY_LICENSES"
for platform in "${platforms[@]}"; do
	name=addcard-$VERSION-${platform/\//-}
	dir=$dist/$name server=server
	[ "${platform%/*}" != windows ] || server=server.exe
	echo "== $name" >&2
	mkdir "$dir"
	GOOS=${platform%/*} GOARCH=${platform#*/} scripts/build.sh "$dir/$server"
	(cd deploy && GOFLAGS=-trimpath go tool cyclonedx-gomod bin -json -std -noserial -notimestamp \
		-version "$VERSION" "$dir/$server") >"$dist/$name.cdx.json"
	cp LICENSE README.md "$dist/THIRD_PARTY_LICENSES" "$dir"
	git archive HEAD deploy/compose deploy/grafana deploy/kubernetes deploy/prometheus deploy/systemd | tar -x -C "$dir"
	chmod -R u=rwX,go=rX "$dir"
	tar -C "$dist" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -c "$name" | gzip -n >"$dist/$name.tar.gz"
	rm -r "$dir"
done
(cd "$dist" && sha256sum -- * >SHA256SUMS)
