package apptest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Connect sends WeChat's events to the server, in the mode of its configuration.
func (w *World) Connect(s *Server) {
	w.T.Helper()
	cb := push.Callback{URL: s.Public + "/wechat/callback", Token: CallbackToken, EncodingAESKey: w.Env["CALLBACK_AES_KEY"]}
	if err := w.Sim.SetCallback(cb); err != nil {
		w.T.Fatal(err)
	}
}

// WaitEvents waits until each event has been delivered or given up.
func (w *World) WaitEvents() {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), 20*time.Second)
	defer cancel()
	if err := w.Sim.WaitEvents(ctx); err != nil {
		w.T.Fatal(err)
	}
}

// Control posts to the simulator's control API.
func (w *World) Control(path string, body any) Answer {
	w.T.Helper()
	return Request(w.T, http.MethodPost, w.WeChat.URL+"/_sim/"+path, "", encode(w.T, body))
}

// Phone has the user's phone do something; body is JSON.
func (w *World) Phone(user, action, body string) {
	w.T.Helper()
	got := Request(w.T, http.MethodPost, w.WeChat.URL+"/_sim/phones/"+user+"/"+action, "", []byte(body))
	if got.Status/100 != 2 {
		w.T.Fatalf("%s: %d %s", action, got.Status, got.Body)
	}
}

// CodeOf returns the code of the newest card in the user's wallet.
func (w *World) CodeOf(user string) string {
	w.T.Helper()
	faces, err := w.Sim.Cards(user)
	if err != nil || len(faces) == 0 {
		w.T.Fatalf("%s's wallet: %v, %v", user, faces, err)
	}
	return faces[len(faces)-1].Code
}

// WaitTotals waits until the user's only card is active with these totals.
func (w *World) WaitTotals(user string, bonus, balance int64) wechatsim.CardFace {
	w.T.Helper()
	var faces []wechatsim.CardFace
	Eventually(w.T, fmt.Sprintf("%s sees %d points and %d fen", user, bonus, balance), func() bool {
		var err error
		if faces, err = w.Sim.Cards(user); err != nil {
			w.T.Fatal(err)
		}
		return len(faces) == 1 && faces[0].HasActive && faces[0].Bonus == bonus && faces[0].Balance == balance
	})
	return faces[0]
}

// Messages returns what WeChat has told the holder about the totals.
func Messages(f wechatsim.CardFace) string {
	var list []string
	for _, m := range f.Messages {
		if m.Kind != "activated" {
			list = append(list, fmt.Sprintf("%s %+d %d %s", m.Kind, m.Add, m.Total, m.Text))
		}
	}
	return strings.Join(list, "; ")
}

// Submission is what App.onShow gets from the open-card component.
type Submission struct {
	Ticket string `json:"activate_ticket"`
	CardID string `json:"card_id"`
	Code   string
}

// OpenCard has the user go through the open-card component.
func (w *World) OpenCard(s *Server, user, token, cardID, outerStr string) (back Submission) {
	w.T.Helper()
	got := s.Get("/v1/cards/"+cardID+"/open-card?outer_str="+url.QueryEscape(outerStr), token)
	var p struct {
		AppID     string            `json:"appId"`
		ExtraData map[string]string `json:"extraData"`
	}
	if got.JSON(w.T, &p); got.Status != 200 || p.AppID != "wxeb490c6f9b154ef9" || p.ExtraData["outer_str"] != outerStr {
		w.T.Fatalf("open-card: %d %s", got.Status, got.Body)
	}
	w.Control("phones/"+user+"/open-card-component", Object{"appId": p.AppID, "extraData": p.ExtraData,
		"form": Object{"USER_FORM_INFO_FLAG_MOBILE": "13712345678", "USER_FORM_INFO_FLAG_NAME": "小明 <&>"}}).JSON(w.T, &back)
	return back
}

// Activation returns the body of POST /v1/activations.
func Activation(cardID, code, ticket string) Object {
	return Object{"card_id": cardID, "code": code, "activate_ticket": ticket}
}
