package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/addcard/addcard/cmd/internal/commandtest"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"server": main})
}

// The scripts can use, besides the commands of commandtest,
//
//	fill FILE        put WeChat's four values into a file that init wrote
//	secretless FILE  FILE contains none of WeChat's secrets
//	login USER       log a user in at the server; MEMBER is the member's id
//	take USER CARD   the user adds the card and the mini-program reports it; CODE is the code
//	face USER BONUS  wait until the user's card shows so many points
//	until PATTERN PROGRAM ARGS...  run PROGRAM until a line of its output matches
//	picture FILE     write a small PNG picture
//	card NAME FILE   NAME is the card_id in FILE, also in shelf.json if it exists
//	approve ID       WeChat approves the card
//	fault PATH CODE  WeChat answers calls of PATH with the errcode; CODE 0 ends all faults
//	bytes FILE TEXT  write the text with its escapes, such as \xff
//	bom FROM TO      copy a file, with a byte order mark
//	subst ID FILE    replace CARD_ID in a file
//	refuse ID REASON WeChat refuses the card
//	callback FILE    WeChat sends its events to the server, with the CALLBACK_… of a file
//	slow PATH        WeChat answers calls of PATH half a second later
//	count FILE N RE  the pattern is found N times
//	holders ID N FILE  N people hold the card since before, each with a point more; FILE lists them
//	elsewhere FILE   another system creates the card of FILE at WeChat; ID is its card_id
//	visible FILE     FILE has no character that could control a terminal
//	unread PROGRAM ARGS...  run PROGRAM with a standard output that nothing reads
//	audited RE       the audit log of the running server has a record that matches
//	hangup           send SIGHUP to the program in the background
//	insist           send SIGINT until the program in the background has ended
//
// and the environment of a server on ADDR1 and ADDR2 that calls a simulated
// WeChat, without those four values.
func TestScripts(t *testing.T) {
	commandtest.Run(t, func(env *testscript.Env) error {
		sim := wechatsim.New(wechatsim.Options{})
		wechat := httptest.NewServer(sim.Handler())
		env.Defer(func() { sim.Close(); wechat.Close() })
		env.Values["sim"] = sim
		a := sim.Accounts()
		env.Vars = append(env.Vars,
			"LISTEN_ADDR="+env.Getenv("ADDR1"), "ADMIN_LISTEN_ADDR="+env.Getenv("ADDR2"),
			"WECHAT_API_URL="+wechat.URL, "SHUTDOWN_GRACE=200ms",
			"MINI_ID="+a.MiniProgram.AppID, "MINI_SECRET="+a.MiniProgram.Secret,
			"OFFICIAL_ID="+a.Official.AppID, "OFFICIAL_SECRET="+a.Official.Secret)
		return nil
	}, map[string]commandtest.Command{
		"fill": fill, "secretless": secretless, "login": login, "take": take, "face": face, "until": until,
		"picture": picture, "card": cardID, "entry": entryID, "capture": capture, "approve": approve, "fault": fault, "insist": insist,
		"hangup": hangup,
		"bytes":  writeBytes, "bom": bom, "subst": subst, "refuse": refuse, "slow": slow, "count": count, "callback": callback,
		"elsewhere": createElsewhere, "holders": holders, "audited": audited, "visible": visible, "unread": unread,
	})
}

func fill(ts *testscript.TestScript, _ bool, args []string) {
	a := ts.Value("sim").(*wechatsim.Sim).Accounts()
	text := ts.ReadFile(args[0])
	for name, value := range map[string]string{
		"MINIPROGRAM_APP_ID": a.MiniProgram.AppID, "MINIPROGRAM_APP_SECRET": a.MiniProgram.Secret,
		"OFFICIAL_APP_ID": a.Official.AppID, "OFFICIAL_APP_SECRET": a.Official.Secret,
	} {
		blank := fmt.Sprintf("\n%s=\n", name)
		if !strings.Contains(text, blank) {
			ts.Fatalf("%s has no place for %s", args[0], name)
		}
		text = strings.Replace(text, blank, fmt.Sprintf("\n%s=%s\n", name, value), 1)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func secretless(ts *testscript.TestScript, _ bool, args []string) {
	secrets := ts.Value("sim").(*wechatsim.Sim).Secrets()
	if len(secrets) == 0 {
		ts.Fatalf("there are no secrets: this proves nothing")
	}
	text := ts.ReadFile(args[0])
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			ts.Fatalf("%s holds the secret %s", args[0], secret)
		}
	}
}

func login(ts *testscript.TestScript, _ bool, args []string) {
	code, err := ts.Value("sim").(*wechatsim.Sim).Login(args[0])
	ts.Check(err)
	body := strings.NewReader(`{"code":"` + code + `"}`)
	resp, err := http.Post("http://"+ts.Getenv("ADDR1")+"/v1/session", "application/json", body)
	ts.Check(err)
	defer resp.Body.Close()
	var in struct{ Member struct{ ID string } }
	ts.Check(json.NewDecoder(resp.Body).Decode(&in))
	ts.Setenv("MEMBER", in.Member.ID)
}

// take acts as the phone and the mini-program.
func take(ts *testscript.TestScript, _ bool, args []string) {
	sim := ts.Value("sim").(*wechatsim.Sim)
	code, err := sim.Login(args[0])
	ts.Check(err)
	var in struct{ Token string }
	ts.Check(json.Unmarshal(post(ts, "/v1/session", "", map[string]any{"code": code}), &in))
	list := post(ts, "/v1/card-ext", in.Token, map[string]any{"cards": []any{map[string]string{"card_id": args[1]}}})
	added, err := sim.AddCard(args[0], list)
	ts.Check(err)
	post(ts, "/v1/claims", in.Token, map[string]any{"cardList": added})
	wallet, err := sim.Cards(args[0])
	ts.Check(err)
	ts.Setenv("CODE", wallet[0].Code)
}

func post(ts *testscript.TestScript, path, token string, body any) []byte {
	raw, err := json.Marshal(body)
	ts.Check(err)
	req, err := http.NewRequest(http.MethodPost, "http://"+ts.Getenv("ADDR1")+path, bytes.NewReader(raw))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	var answer bytes.Buffer
	_, err = answer.ReadFrom(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %d %s", path, resp.StatusCode, &answer)
	}
	return answer.Bytes()
}

func face(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	var wallet []wechatsim.CardFace
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		wallet, err = ts.Value("sim").(*wechatsim.Sim).Cards(args[0])
		ts.Check(err)
		if len(wallet) > 0 && wallet[0].HasActive && wallet[0].Bonus == want {
			return
		}
	}
	ts.Fatalf("the wallet of %s: %+v", args[0], wallet)
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("it never says %s", args[0])
}

func picture(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	ts.Check(png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 4, 4))))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

func cardID(ts *testscript.TestScript, _ bool, args []string) {
	id := regexp.MustCompile(`pSim[0-9A-Za-z_-]+`).FindString(ts.ReadFile(args[1]))
	ts.Setenv(args[0], id)
	shelf := ts.MkAbs("shelf.json")
	text, err := os.ReadFile(shelf)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	ts.Check(err)
	ts.Check(os.WriteFile(shelf, bytes.ReplaceAll(text, []byte(`"`+args[0]+`"`), []byte(`"`+id+`"`)), 0o600))
}

func entryID(ts *testscript.TestScript, _ bool, args []string) {
	id, _, _ := strings.Cut(strings.TrimPrefix(ts.ReadFile(args[1]), "entry "), " ")
	ts.Setenv(args[0], strings.TrimSpace(id))
}

// capture sets a variable to what the group of an expression matches in a file.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if found == nil {
		ts.Fatalf("%s does not match in %s", args[2], args[1])
	}
	ts.Setenv(args[0], found[1])
}

func audited(ts *testscript.TestScript, _ bool, args []string) {
	token := regexp.MustCompile(`(?m)^ADMIN_TOKEN=(.*)$`).FindStringSubmatch(ts.ReadFile(".env"))
	req, err := http.NewRequest(http.MethodGet, "http://"+ts.Getenv("ADDR2")+"/v1/audit?limit=200", nil)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+token[1])
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	for record := range strings.SplitSeq(string(text), `{"id":`) {
		if regexp.MustCompile(args[0]).MatchString(record) {
			return
		}
	}
	ts.Fatalf("no record matches %s:\n%s", args[0], text)
}

func approve(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Value("sim").(*wechatsim.Sim).Approve(args[0]))
}

func writeBytes(ts *testscript.TestScript, _ bool, args []string) {
	text, err := strconv.Unquote("\"" + strings.ReplaceAll(args[1], "\"", "\\\"") + "\"")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func bom(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte("\ufeff"+ts.ReadFile(args[0])), 0o600))
}

func subst(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(ts.ReadFile(args[1]), "CARD_ID", args[0])), 0o600))
}

func refuse(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Post(ts.Getenv("WECHAT_API_URL")+"/_sim/cards/"+args[0]+"/reject", "application/json",
		strings.NewReader(`{"reason":"`+args[1]+`"}`))
	ts.Check(err)
	ts.Check(resp.Body.Close())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ts.Check(ts.Value("sim").(*wechatsim.Sim).WaitEvents(ctx))
}

// callback has WeChat send its events to the server.
func callback(ts *testscript.TestScript, _ bool, args []string) {
	value := func(name string) string {
		return regexp.MustCompile("(?m)^" + name + "=(.*)$").FindStringSubmatch(ts.ReadFile(args[0]))[1]
	}
	ts.Check(ts.Value("sim").(*wechatsim.Sim).SetCallback(push.Callback{
		URL: "http://" + ts.Getenv("ADDR1") + "/wechat/callback", Token: value("CALLBACK_TOKEN"), EncodingAESKey: value("CALLBACK_AES_KEY"),
	}))
}

func slow(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Value("sim").(*wechatsim.Sim).AddFault(wechatsim.Fault{Path: args[0], LatencyMS: 500, Times: -1}))
}

func count(ts *testscript.TestScript, _ bool, args []string) {
	if n := len(regexp.MustCompile("(?m)"+args[2]).FindAllString(ts.ReadFile(args[0]), -1)); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%s has %s %d times, want %s", args[0], args[2], n, args[1])
	}
}

func fault(ts *testscript.TestScript, _ bool, args []string) {
	sim := ts.Value("sim").(*wechatsim.Sim)
	code, err := strconv.Atoi(args[1])
	ts.Check(err)
	if code == 0 {
		req, err := http.NewRequest(http.MethodDelete, ts.Getenv("WECHAT_API_URL")+"/_sim/faults", nil)
		ts.Check(err)
		resp, err := http.DefaultClient.Do(req)
		ts.Check(err)
		ts.Check(resp.Body.Close())
		return
	}
	ts.Check(sim.AddFault(wechatsim.Fault{Path: args[0], ErrCode: code, Times: -1}))
}

func insist(ts *testscript.TestScript, _ bool, _ []string) {
	process := ts.BackgroundCmds()[0].Process
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if err := process.Signal(os.Interrupt); errors.Is(err, os.ErrProcessDone) {
			return
		}
	}
	ts.Fatalf("it goes on")
}

func hangup(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.BackgroundCmds()[0].Process.Signal(syscall.SIGHUP))
}
