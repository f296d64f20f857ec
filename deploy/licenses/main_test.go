package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun_NamesEveryModule(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out, "../.."); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Go's standard library go1.", "github.com/gin-gonic/gin v1.", "modernc.org/sqlite v1.", "Swagger UI"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the licences do not name %q", want)
		}
	}
}

const mpl = `This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0. If a copy of the MPL was not
distributed with this file, You can obtain one at http://mozilla.org/MPL/2.0/.`

func TestAdd_RefusesWhatIsNotKnown(t *testing.T) {
	mit, err := os.ReadFile("testdata/MIT")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ file, text, want string }{
		"none":      {"README.md", "MIT", "has no file with its licence"},
		"unknown":   {"LICENSE", "You may use this on Sundays.", "is unknown"},
		"forbidden": {"LICENSE", mpl, "not allowed"},
		"allowed":   {"LICENSE", string(mit), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, test.file), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := add(&strings.Builder{}, module{Path: "example.com/m", Version: "v1.0.0", Dir: dir})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
