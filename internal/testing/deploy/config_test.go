//go:build linux

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// The server starts with the variables of kubernetes/ and of compose/replicas.yaml, and
// the secrets in files.
func TestVariables_StartTheServer(t *testing.T) {
	t.Parallel()
	kubernetes, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/addcard.env"))
	if err != nil {
		t.Fatal(err)
	}
	compose := composeFolder(t)
	for name, env := range map[string][]string{
		"kubernetes": variables(string(kubernetes)),
		"compose":    composeVariables(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := t.TempDir()
			for i, v := range env {
				name, value, _ := strings.Cut(v, "=")
				if !strings.HasSuffix(name, "_FILE") {
					continue
				}
				path := filepath.Join(secrets, filepath.Base(value))
				content, err := os.ReadFile(filepath.Join(compose, "secrets", strings.ToLower(filepath.Base(value))))
				if err != nil {
					t.Fatal(err)
				}
				if name == "DATABASE_URL_FILE" { // no PostgreSQL is needed to read the variables
					content = []byte("sqlite:" + secrets + "/addcard.db")
				}
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				env[i] = name + "=" + path
			}
			addresses, public := listeners(t)
			env = append(append(env, addresses...), "WECHAT_API_URL=http://127.0.0.1:9")
			start(t, env, secrets, release(t), "serve")
			ready := exec.CommandContext(t.Context(), release(t), "ready", "--wait", "--addr", public)
			if out, err := ready.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// composeFolder returns a copy of deploy/compose, with secrets/ of its script.
func composeFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "compose")
	run(t, nil, "cp", "-r", "deploy/compose", dir)
	envFile(t, dir)
	run(t, nil, dir+"/secrets.sh")
	before := run(t, nil, "sh", "-c", "cd $0/secrets && cat -- *", dir)
	run(t, nil, dir+"/secrets.sh")
	if after := run(t, nil, "sh", "-c", "cd $0/secrets && cat -- *", dir); after != before {
		t.Error("secrets.sh replaces secrets that are in use")
	}
	return dir
}

// composeVariables returns the variables that replicas.yaml gives to addcard.
func composeVariables(t *testing.T) (env []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "deploy/compose/replicas.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Addcard struct{ Environment map[string]string } `yaml:"x-addcard"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for name, value := range file.Addcard.Environment {
		value = strings.NewReplacer("${MINIPROGRAM_APP_ID:?}", "wx1", "${OFFICIAL_APP_ID:?}", "wx2", "${PUBLIC_URL:-}", "").Replace(value)
		env = append(env, name+"="+value)
	}
	if len(env) == 0 {
		t.Fatal("replicas.yaml has no variables")
	}
	return env
}
