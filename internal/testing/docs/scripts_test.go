package docs

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// A script that is called wrongly prints its usage and does nothing.
func TestScripts_PrintUsageOnWrongInput(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		"scripts/test.sh something", "INSTALL=yes scripts/test.sh",
		"scripts/build.sh", "scripts/release.sh linux", "scripts/image.sh --all",
		"scripts/fuzz.sh 30", "scripts/fuzz.sh 1s 1s",
		"scripts/rename-module.sh", "scripts/rename-module.sh addcard",
		"scripts/rename-module.sh https://shop.example/addcard", "scripts/rename-module.sh shop.example/a b",
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", call)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "usage: scripts/") {
			t.Errorf("%s: %v, %s", call, err, out)
		}
	}
}

// What is missing is listed, and nothing is installed.
func TestScripts_TestListsWhatIsMissing(t *testing.T) {
	t.Parallel()
	const script = `
for tool in bash dirname sed cat id node git; do ln -s "$(command -v $tool)" "$1/$tool"; done
printf '#!/bin/sh\necho apt-get was called\n' > "$1/apt-get"; chmod +x "$1/apt-get"
INSTALL=0 PATH="$1" scripts/test.sh`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", t.TempDir())
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("exit: %v, want 1", err)
	}
	for _, want := range []string{
		"missing: Go ", "missing: Debian package curl\n", "missing: Debian package redis-server\n",
		"missing: Debian package php-cli\n", "missing: Debian package python3\n", "apt-get install ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	for _, not := range []string{"apt-get was called", "package git\n"} {
		if strings.Contains(string(out), not) {
			t.Errorf("the output has %q", not)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// The module works under another path after make module.
func TestScripts_RenameModule(t *testing.T) {
	t.Parallel()
	const script = `
set -eu
git ls-files -z -co --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -c -T - | tar -x -C "$1"
cd "$1"
git init -q
git add -A
git -c user.name=test -c user.email=test@shop.example commit -qm test
make -s module MODULE=git.shop.example/crew/cards
go list -deps ./cmd/server | grep -q '^git.shop.example/crew/cards/internal/app$'
! git grep -n 'github.com/addcard/addcard/internal' -- . ':!CHANGELOG.md'`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", t.TempDir())
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
