package opencard_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// keys is a value of DATA_KEYS.
func keys(b byte) string {
	return "d1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

// oneClick starts a server with DATA_KEYS, and returns a card whose form leads
// nowhere: WeChat activates the card by itself.
func oneClick(t *testing.T, o wechatsim.Options) (w *apptest.World, s *apptest.Server, cardID string) {
	w = apptest.New(t, o)
	w.Env["DATA_KEYS"] = keys(7)
	s = w.Serve()
	w.Connect(s)
	return w, s, w.NewCard(s, apptest.OneClick(false), func(base, _ apptest.Object) { base["can_give_friend"] = true })
}

// fillIn takes the card by the QR code in the shop and fills in its form.
func fillIn(w *apptest.World, user, cardID string, form apptest.Object) (code string) {
	w.T.Helper()
	w.Control("phones/"+user+"/scan-qr", apptest.Object{"card_id": cardID}).Is(w.T, 200)
	code = w.CodeOf(user)
	w.Control("phones/"+user+"/submit-form", apptest.Object{"card_id": cardID, "code": code, "form": form}).Is(w.T, 200)
	return code
}

// holders returns the codes of the cards of those who are found by key.
func holders(s *apptest.Server, key string) (codes []string) {
	s.T.Helper()
	for _, m := range s.Members("?query=" + key).Members {
		for _, c := range m.Cards {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

// forms returns what the operator reads of the one member that key finds.
func forms(s *apptest.Server, key string) []apptest.Object {
	s.T.Helper()
	found := s.Members("?query=" + key).Members
	if len(found) != 1 {
		s.T.Fatalf("%s finds %+v", key, found)
	}
	var member struct{ Forms []apptest.Object }
	s.Operate(http.MethodGet, "/v1/members/"+found[0].ID, nil).Is(s.T, 200).JSON(s.T, &member)
	return member.Forms
}

// settle waits until all events are delivered and all messages sent.
func settle(w *apptest.World, s *apptest.Server) {
	w.T.Helper()
	w.WaitEvents()
	apptest.Eventually(w.T, "nothing waits", func() bool { return len(s.Outbox("?state=waiting")) == 0 })
}

// Symptom: the form of a card that was taken by a QR code was thrown away, and its
// phone number found no member.
func TestForm_OfACardThatTheMiniProgramNeverReports(t *testing.T) {
	t.Parallel()
	w, s, id := oneClick(t, wechatsim.Options{})
	code := fillIn(w, "ming", id,
		apptest.Object{"USER_FORM_INFO_FLAG_MOBILE": "+86 138-0013-8000", "USER_FORM_INFO_FLAG_NAME": "小明", "口味": "辣"})
	apptest.Eventually(t, "the phone number finds the holder", func() bool { return slices.Equal(holders(s, "13800138000"), []string{code}) })
	for _, spelling := range []string{
		"%2B86+138+0013+8000", "138-0013-8000", "%EF%BC%91%EF%BC%93%EF%BC%98%EF%BC%90%EF%BC%90%EF%BC%91%EF%BC%93%EF%BC%98%EF%BC%90%EF%BC%90%EF%BC%90",
		"008613800138000", "86+138+0013+8000",
	} {
		if got := holders(s, spelling); !slices.Equal(got, []string{code}) {
			t.Errorf("%s finds %v", spelling, got)
		}
	}
	for _, other := range []string{"%2B1+380+013+8000", "1380013800", "%2B85213800138000", "138001380000", "junk"} {
		if got := holders(s, other); len(got) != 0 {
			t.Errorf("%s finds %v", other, got)
		}
	}
	got := forms(s, code)
	if len(got) != 1 || got[0]["code"] != code {
		t.Fatalf("forms: %v", got)
	}
	fields, _ := got[0]["fields"].(map[string]any)
	if fields["USER_FORM_INFO_FLAG_NAME"] != "小明" || fields["口味"] != "辣" || len(fields) != 3 {
		t.Errorf("fields: %v", fields)
	}
	if strings.Contains(w.Log(), "0013") {
		t.Error("the phone number is in the log")
	}
	s.Operate(http.MethodDelete, "/v1/members/"+s.Members("?query=" + code).Members[0].ID, nil).Is(t, 204)
	if got := holders(s, "13800138000"); len(got) != 0 {
		t.Errorf("after erasure: %v", got)
	}
}

// WeChat may say the giver's form of the recipient's card.
func TestForm_OfAGiverAndOfTheRecipient(t *testing.T) {
	t.Parallel()
	for _, carried := range []string{"carries", "empty"} {
		t.Run(carried, func(t *testing.T) {
			t.Parallel()
			w, s, id := oneClick(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{GiftedForm: carried}})
			given := fillIn(w, "ming", id, apptest.Object{"USER_FORM_INFO_FLAG_MOBILE": "13800138000"})
			apptest.Eventually(t, "the giver is found", func() bool { return slices.Equal(holders(s, "13800138000"), []string{given}) })
			w.Control("phones/ming/gift-card", apptest.Object{"card_id": id, "code": given, "to": "hong"}).Is(t, 200)
			code := w.CodeOf("hong")
			settle(w, s)
			if n := w.Sim.Calls()["/card/membercard/userinfo/get"].Total; n < 2 {
				t.Errorf("%d cards were read: the test proves nothing", n)
			}
			if got := holders(s, "13800138000"); !slices.Equal(got, []string{given}) {
				t.Errorf("after the gift: %v", got)
			}
			if got := forms(s, code); len(got) != 0 {
				t.Errorf("forms of the recipient: %v", got)
			}
			w.Control("phones/hong/submit-form",
				apptest.Object{"card_id": id, "code": code, "form": apptest.Object{"USER_FORM_INFO_FLAG_MOBILE": "13900139000"}}).Is(t, 200)
			apptest.Eventually(t, "the recipient is found", func() bool { return slices.Equal(holders(s, "13900139000"), []string{code}) })
			if got := holders(s, "13800138000"); !slices.Equal(got, []string{given}) {
				t.Errorf("after the recipient's form: %v", got)
			}
		})
	}
}

// The card is of the jump type, but its holder never returns to the mini-program.
func TestForm_OfAJumpCardThatIsNeverReported(t *testing.T) {
	t.Parallel()
	w, s, _ := oneClick(t, wechatsim.Options{})
	id := w.NewCard(s, apptest.OneClick(true))
	w.Login(s, "ming") // of a stranger the report is awaited for 20 s
	code := fillIn(w, "ming", id, apptest.Object{"USER_FORM_INFO_FLAG_MOBILE": "0755-12345678"})
	apptest.Eventually(t, "the card is active, and its form is found", func() bool {
		return slices.Equal(holders(s, "%2B86+755+12345678"), []string{code})
	})
}

// The ticket and the card say the same form.
func TestForm_OfAReportIsNotDoubled(t *testing.T) {
	t.Parallel()
	w, s, _ := oneClick(t, wechatsim.Options{})
	id := w.NewCard(s, apptest.OneClick(true))
	token, _ := w.Login(s, "ming")
	back := w.OpenCard(s, "ming", token, id, "")
	s.Post("/v1/activations", token, apptest.Activation(id, back.Code, back.Ticket)).Is(t, 200)
	w.Control("phones/ming/submit-form", apptest.Object{"card_id": id, "code": back.Code}).Is(t, 200)
	settle(w, s)
	if got := forms(s, "13712345678"); len(got) != 1 || len(got[0]["fields"].(map[string]any)) != 2 {
		t.Errorf("forms: %v", got)
	}
}
