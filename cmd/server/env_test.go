package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseEnv_TakesValuesAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"A=b":                       "A=b",
		"A=":                        "A=",
		"A=''":                      "A=",
		"  export A = b c  \r":      "A=b c",
		"A=b=c==":                   "A=b=c==",
		"A=b#c":                     "A=b#c",
		"A=#b":                      "A=#b",
		"A=b # comment":             "A=b",
		"A= # comment":              "A=",
		"A=\t# a 'comment' of $$":   "A=",
		"A='$x ${y} `z` \\n \"#\"'": "A=$x ${y} `z` \\n \"#\"",
		"A='b' # comment":           "A=b",
		`A="b # c"`:                 "A=b # c",
		`A="b" # "comment"`:         "A=b",
		"\ufeffA=b":                 "A=b",
		"_a1=会员":                    "_a1=会员",
		"# A=b\n\n  \n#":            "",
	} {
		got, problems := parseEnv(text, anyName)
		if strings.Join(got, "\n") != want || len(problems) > 0 {
			t.Errorf("%q: got %q, %q; want %q", text, got, problems, want)
		}
	}
}

// The line that godotenv reads as "a-b" and a shell as something else again.
func TestParseEnv_RefusesWhatProgramsReadDifferently(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for text, want := range map[string]string{
		"A=s3cr3t$B":             "1: A: ",
		"\nA=\"s3cr3t${B}\"":     "2: A: ",
		"A=s3cr3t`id`":           "1: A: ",
		`A=s3cr3t\n`:             "1: A: ",
		`A="s3cr3t\""`:           "1: A: ",
		`A=s3cr3t"b"`:            "1: A: ",
		"A='s3cr3t":              "1: A: the quotes do not match",
		"A='s3cr3t'b":            "1: A: the quotes do not match",
		"A='s3cr3t'#b":           "1: A: the quotes do not match",
		"s3cr3t":                 "1: not NAME=value",
		"1s3cr3t=b":              "1: not NAME=value",
		"A.s3cr3t=b":             "1: not NAME=value",
		"A: s3cr3t":              "1: not NAME=value",
		"# c\nA=b\n\nA=s3cr3t":   "4: A: already set in line 2",
		"A='b\ns3cr3t'":          "1: A: the quotes do not match\n2: not NAME=value",
		"export=s3cr3t\nexport ": "2: not NAME=value",
	} {
		_, problems := parseEnv(text, anyName)
		got := strings.Join(problems, "\n")
		if !strings.HasPrefix(got, want) || strings.Contains(got, secret) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzParseEnv(f *testing.F) {
	f.Add("A=b\nB='c' # d\n")
	f.Add("export A=\"b\"\r\n\ufeff\x00='")
	f.Fuzz(func(t *testing.T, text string) {
		vars, problems := parseEnv(text, anyName)
		for _, v := range vars {
			name, value, ok := strings.Cut(v, "=")
			if !ok || name == "" || !strings.Contains(text, name) || !strings.Contains(text, value) {
				t.Errorf("%q is not in %q", v, text)
			}
			if strings.Contains(value, "\n") {
				t.Errorf("%q has two lines", v)
			}
		}
		if lines := strings.Count(text, "\n") + 1; len(vars)+len(problems) > lines {
			t.Errorf("%d variables and %d problems in %d lines", len(vars), len(problems), lines)
		}
		// What was read and can be written is read again.
		if len(problems) == 0 && !strings.ContainsAny(text, "'\"") {
			if again, _ := parseEnv(strings.Join(vars, "\n"), anyName); !slices.Equal(again, vars) {
				t.Errorf("%q, then %q", vars, again)
			}
		}
	})
}

func anyName(string) string { return "" }
