package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"unicode"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/wechatsim"
)

// createElsewhere creates the card of a file at WeChat, as another system of the
// merchant does, and approves it. The variable ID is its card_id.
func createElsewhere(ts *testscript.TestScript, _ bool, args []string) {
	sim, wechat := ts.Value("sim").(*wechatsim.Sim), ts.Getenv("WECHAT_API_URL")
	a := sim.Accounts().Official
	query := url.Values{"grant_type": {"client_credential"}, "appid": {a.AppID}, "secret": {a.Secret}}
	var answer struct {
		AccessToken string `json:"access_token"`
		CardID      string `json:"card_id"`
		ErrMsg      string `json:"errmsg"`
	}
	read := func(resp *http.Response, err error) {
		ts.Check(err)
		ts.Check(json.NewDecoder(resp.Body).Decode(&answer))
		ts.Check(resp.Body.Close())
	}
	var card any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &card))
	var body bytes.Buffer // without the escapes of the file
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	ts.Check(enc.Encode(card))
	read(http.Get(wechat + "/cgi-bin/token?" + query.Encode()))
	read(http.Post(wechat+"/card/create?access_token="+answer.AccessToken, "application/json", &body))
	if answer.CardID == "" {
		ts.Fatalf("WeChat created no card: %s", answer.ErrMsg)
	}
	ts.Check(sim.Approve(answer.CardID))
	ts.Setenv("ID", answer.CardID)
}

// visible fails if a file has a character that could control the terminal.
func visible(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line != command.Visible(line) {
			ts.Fatalf("%s: %q", args[0], line)
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }) {
		ts.Fatalf("%s: %q", args[0], text)
	}
}

// unread runs a program with a standard output that nothing reads. It must end as
// a program that SIGPIPE ended, and say nothing.
func unread(ts *testscript.TestScript, _ bool, args []string) {
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	var stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), w, &stderr
	cmd.Env = []string{"WECHAT_API_URL=" + ts.Getenv("WECHAT_API_URL")}
	err = cmd.Run()
	ts.Check(w.Close())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != command.Unread || stderr.Len() > 0 {
		ts.Fatalf("got %v and %q, want exit code %d and no message", err, stderr.String(), command.Unread)
	}
}

func holders(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	type holder struct {
		User    string `json:"user"`
		Code    string `json:"code"`
		OpenID  string `json:"openid,omitempty"`
		UnionID string `json:"unionid,omitempty"`
		Bonus   int    `json:"bonus"`
	}
	var list struct {
		Holders []holder `json:"holders"`
	}
	for i := range n {
		list.Holders = append(list.Holders, holder{User: fmt.Sprint("old", i), Bonus: i})
	}
	body, err := json.Marshal(list)
	ts.Check(err)
	resp, err := http.Post(ts.Getenv("WECHAT_API_URL")+"/_sim/cards/"+args[0]+"/holders", "application/json", bytes.NewReader(body))
	ts.Check(err)
	ts.Check(json.NewDecoder(resp.Body).Decode(&list))
	ts.Check(resp.Body.Close())
	file := "code,openid,unionid\n"
	for _, h := range list.Holders {
		file += h.Code + "," + h.OpenID + "," + h.UnionID + "\n"
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(file), 0o600))
}
