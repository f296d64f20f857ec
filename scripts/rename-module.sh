#!/usr/bin/env bash
# Gives the module another path: go.mod says the present one, and every tracked
# file that repeats it (imports, .golangci.yml, other go.mod files) is changed.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
	cat <<'USAGE'
usage: scripts/rename-module.sh PATH

Changes the module path everywhere to PATH, for example example.com/shop/addcard.
PATH is what `go get` takes: a host name with a dot, then lower-case or upper-case
letters, digits, and . _ ~ - between slashes. Tracked files must have no
uncommitted changes, so that `git checkout .` undoes the change.
USAGE
}
case "${1:-}" in
-h | --help) usage; exit 0 ;;
esac
new=${1:-}
if [ $# -ne 1 ] || ! [[ $new =~ ^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$ ]]; then
	usage >&2
	exit 2
fi
old=$(sed -n 's/^module //p' go.mod)
if [ "$new" = "$old" ]; then
	echo "the module path is $old already" >&2
	exit 0
fi
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
	echo "scripts/rename-module.sh: commit or stash your changes first" >&2
	exit 1
fi

# The old path counts only as a whole, not as the beginning of a longer name.
export old new
git grep -lIz -F "$old" -- . ':!CHANGELOG.md' |
	xargs -0 perl -pi -e 's#\Q$ENV{old}\E(?![\w~-])#$ENV{new}#g'
git diff --name-only -z -- '*.go' | xargs -0 gofmt -w # the order of imports changes with the path
go list ./... >/dev/null
echo "$old is now $new in $(git diff --name-only | wc -l) files; make test checks the result" >&2
