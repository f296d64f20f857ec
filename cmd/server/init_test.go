package main

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/config"
)

func TestInit_MakesFreshKeysThatTheConfigurationTakes(t *testing.T) {
	t.Parallel()
	made := []string{"CALLBACK_TOKEN", "CALLBACK_AES_KEY", "SESSION_KEYS", "ADMIN_TOKEN", "TICKET_TOKEN", "DATA_KEYS"}
	seen := map[string]bool{}
	for range 50 {
		vars, problems := parseEnv(envFile(), config.CheckName)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		values := map[string]string{}
		for _, v := range vars {
			name, value, _ := strings.Cut(v, "=")
			values[name] = value
		}
		for _, name := range made {
			if seen[values[name]] {
				t.Errorf("%s=%s: came before", name, values[name])
			}
			seen[values[name]] = true
		}
		// WeChat's form takes 3 to 32 letters and digits, and 43 of them.
		if !regexp.MustCompile(`^[0-9A-Za-z]{3,32}$`).MatchString(values["CALLBACK_TOKEN"]) {
			t.Errorf("CALLBACK_TOKEN=%s", values["CALLBACK_TOKEN"])
		}
		aes := values["CALLBACK_AES_KEY"]
		if key, err := base64.StdEncoding.Strict().DecodeString(aes + "="); err != nil || len(key) != 32 || strings.ContainsAny(aes, "+/") {
			t.Errorf("CALLBACK_AES_KEY=%s: %v", aes, err)
		}
		complete := append(vars, "MINIPROGRAM_APP_ID=wx1", "MINIPROGRAM_APP_SECRET=s", "OFFICIAL_APP_ID=wx2", "OFFICIAL_APP_SECRET=s")
		if _, err := config.Load(complete); err != nil {
			t.Error(err)
		}
	}
}
