//go:build linux

package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const unitFile = "deploy/systemd/addcard.service"

// unit returns the unit, with the program in place of the one that is installed.
func unit(t *testing.T, program string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, unitFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "/usr/local/bin/addcard", program)
}

// setting returns the values of a setting of the unit.
func setting(unit, name string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1) {
		list = append(list, m[1])
	}
	return list
}

// systemd understands the unit, and what it allows is rated 2.0 or less of 10.
func TestUnit_IsStrict(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is not installed; on Debian: apt-get install systemd")
	}
	path := filepath.Join(t.TempDir(), "addcard.service")
	if err := os.WriteFile(path, []byte(unit(t, release(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "systemd-analyze", "verify", path)
	run(t, nil, "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", path)
}

// The lines of the unit start the server with the file of `server init`, and all system
// calls that it needs are allowed.
func TestUnit_Starts(t *testing.T) {
	t.Parallel()
	unit := unit(t, release(t))
	state := t.TempDir()
	addresses, _ := listeners(t)
	env := append(envFile(t, t.TempDir()), addresses...)
	trace := filepath.Join(t.TempDir(), "trace")
	line := strings.Fields(setting(unit, "ExecStart")[0])
	server := start(t, env, state, "strace", append([]string{"-f", "-qq", "--signal=none", "-o", trace, "--"}, line...)...)
	post := strings.Fields(setting(unit, "ExecStartPost")[0])
	ctx, cancel := context.WithTimeout(t.Context(), timeout) // the unit waits longer
	defer cancel()
	ready := exec.CommandContext(ctx, post[0], post[1:]...)
	ready.Env = env
	if out, err := ready.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", ready, err, out)
	}
	if _, err := os.Stat(filepath.Join(state, "addcard.db")); err != nil {
		t.Error(err)
	}
	// Go raises the limit of open files, which LimitNOFILE does, too. SQLite changes the
	// owner of its files only as root.
	allowed := append(systemCalls(t, setting(unit, "SystemCallFilter")), "prlimit64", "fchown")
	raw, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	called := regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(string(raw), -1)
	if len(called) < 1000 {
		t.Fatalf("only %d system calls were seen: this proves nothing", len(called))
	}
	for _, m := range called {
		if name := m[1]; !slices.Contains(allowed, name) {
			allowed = append(allowed, name)
			t.Errorf("the unit does not allow %s", name)
		}
	}
	id := strconv.Itoa(server.Process.Pid)
	child, err := os.ReadFile(filepath.Join("/proc", id, "task", id, "children"))
	if err != nil {
		t.Fatal(err)
	}
	run(t, nil, "kill", "-TERM", strings.TrimSpace(string(child)))
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended: %v", err)
	}
}

// systemCalls returns the names that the values of SystemCallFilter allow.
func systemCalls(t *testing.T, filters []string) (names []string) {
	t.Helper()
	for _, filter := range filters {
		filter, refused := strings.CutPrefix(filter, "~")
		for _, group := range strings.Fields(filter) {
			for _, name := range members(t, group) {
				if refused {
					names = slices.DeleteFunc(names, func(n string) bool { return n == name })
				} else {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// members returns the system calls of a group of systemd, and of the groups in it.
func members(t *testing.T, group string) (names []string) {
	t.Helper()
	for line := range strings.Lines(run(t, nil, "systemd-analyze", "--no-pager", "syscall-filter", group)) {
		switch name := strings.TrimSpace(line); {
		case name == group || name == "" || name[0] == '#':
		case name[0] == '@':
			names = append(names, members(t, name)...)
		default:
			names = append(names, name)
		}
	}
	return names
}
