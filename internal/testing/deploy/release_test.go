//go:build linux

package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// maxSize bounds the released program. ARCHITECTURE.md says what it consists of.
const maxSize = 52_000_000

// A release has all its parts, and the program tells what it was built from.
func TestRelease(t *testing.T) {
	t.Parallel()
	dist := t.TempDir()
	run(t, []string{"DIST=" + dist, "VERSION=v1.2.3"}, "scripts/release.sh", "linux/"+runtime.GOARCH)
	name := "addcard-v1.2.3-linux-" + runtime.GOARCH
	run(t, nil, "sh", "-c", `cd "$1" && sha256sum --check --strict --quiet SHA256SUMS`, "sh", dist)
	if notes, err := os.ReadFile(filepath.Join(dist, "RELEASE_NOTES.md")); err != nil || !strings.Contains(string(notes), "### Added") {
		t.Errorf("the notes: %q, %v", notes, err)
	}
	var bom struct {
		Components []struct{ Name, Version string }
	}
	raw, err := os.ReadFile(filepath.Join(dist, name+".cdx.json"))
	if err == nil {
		err = json.Unmarshal(raw, &bom)
	}
	if err != nil || len(bom.Components) < 50 {
		t.Errorf("the SBOM has %d modules, %v", len(bom.Components), err)
	}

	files := strings.Fields(run(t, nil, "tar", "-C", dist, "-xvf", filepath.Join(dist, name+".tar.gz")))
	for _, want := range []string{"server", "LICENSE", "THIRD_PARTY_LICENSES", "deploy/systemd/addcard.service", "deploy/compose/secrets.sh"} {
		if !slices.Contains(files, name+"/"+want) {
			t.Errorf("the archive has no %s", want)
		}
	}
	program := filepath.Join(dist, name, "server")
	if info, err := os.Stat(program); err != nil || info.Size() > maxSize {
		t.Errorf("the program has %d bytes, at most %d are allowed; %v", info.Size(), maxSize, err)
	}
	commit := strings.TrimSpace(run(t, nil, "git", "rev-parse", "HEAD"))
	if got, want := run(t, nil, program, "version"), "addcard v1.2.3\ncommit "+commit+"\n"+runtime.Version()+"\n"; got != want {
		t.Errorf("version prints %q, want %q", got, want)
	}
}
