package public_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

func TestCallback_ForgedPushesGet403AndNothing(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["CALLBACK_AES_KEY"] = apptest.AESKey
	s := w.Serve()
	good := push.Trigger{
		Callback: push.Callback{URL: s.Public + "/wechat/callback", Token: "callbacktoken", EncodingAESKey: apptest.AESKey,
			AppID: w.Sim.Accounts().Official.AppID},
		ToUserName: "gh_x", FromUserName: "oSomebody", Event: "user_get_card",
		Fields: map[string]string{"CardId": "pForeign", "UserCardCode": "1"},
	}
	send := func(e push.Trigger, edit func(*http.Request)) (int, string) {
		t.Helper()
		req, err := e.Request(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		edit(req)
		resp, err := apptest.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var b strings.Builder
		buf := make([]byte, 256)
		n, _ := resp.Body.Read(buf)
		b.Write(buf[:n])
		return resp.StatusCode, b.String()
	}
	if status, text := send(good, func(*http.Request) {}); status != 200 || text != "success" {
		t.Fatalf("a good push of a foreign card: %d %q", status, text)
	}
	plain := good
	plain.EncodingAESKey = ""
	wrongApp := good
	wrongApp.AppID = "wxsomebodyelse00"
	wrongToken := good
	wrongToken.Token = "anothertoken"
	for name, e := range map[string]push.Trigger{"plaintext although a key is set": plain, "sealed for another app": wrongApp,
		"another token": wrongToken} {
		if status, text := send(e, func(*http.Request) {}); status != 403 || text != "" {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
	for name, edit := range map[string]func(q *http.Request){
		"no query":   func(r *http.Request) { r.URL.RawQuery = "" },
		"bad escape": func(r *http.Request) { r.URL.RawQuery += "&x=%zz" },
		"old": func(r *http.Request) {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "timestamp=1", "timestamp=0", 1)
		},
		"given twice": func(r *http.Request) { r.URL.RawQuery += "&nonce=1" },
	} {
		if status, text := send(good, edit); status != 403 || text != "" {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
	if got := s.Get("/wechat/callback?signature=a&timestamp=1&nonce=b&echostr=1", ""); got.Status != 403 || len(got.Body) != 0 {
		t.Errorf("a forged check: %d %q", got.Status, got.Body)
	}
	w.Connect(s)
	if got := apptest.Request(t, http.MethodPost, w.WeChat.URL+"/_sim/callback/verify", "", []byte(`{}`)); got.Status/100 != 2 {
		t.Errorf("WeChat's own check: %d %s", got.Status, got.Body)
	}
}
