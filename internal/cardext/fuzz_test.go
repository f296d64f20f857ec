package cardext_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/addcard/addcard/internal/cardext"
)

func FuzzSign_SendsWhatItSigned(f *testing.F) {
	f.Add("pCard", code, openID, "home", int64(when), nonce)
	f.Add("", "", "", "", int64(-1), "")
	f.Add("p\"\\", "\x00\n", "<&>", "会\u2028", int64(0), "9")
	f.Fuzz(func(t *testing.T, card, code, openID, outer string, seconds int64, nonce string) {
		for _, v := range []string{card, code, openID, outer, nonce} {
			if !utf8.ValidString(v) {
				t.Skip("JSON cannot carry it")
			}
		}
		ext := cardext.Sign(ticket, cardext.Params{CardID: card, Code: code, OpenID: openID, OuterStr: outer}, seconds, nonce)
		var sent struct {
			Code, OpenID string
			NonceStr     string `json:"nonce_str"`
			OuterStr     string `json:"outer_str"`
			Timestamp    int64
			Signature    string
		}
		d := json.NewDecoder(strings.NewReader(ext.String()))
		d.DisallowUnknownFields()
		if err := d.Decode(&sent); err != nil {
			t.Fatalf("%s: %v", ext, err)
		}
		if sent.Code != code || sent.OpenID != openID || sent.NonceStr != nonce || sent.OuterStr != outer || sent.Timestamp != seconds {
			t.Errorf("sent %+v, want %q %q %q %q %d", sent, code, openID, nonce, outer, seconds)
		}
		values := []string{ticket, card, code, openID, nonce, fmt.Sprint(seconds)}
		rand.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		if want := cardext.SortedSHA1(values...); sent.Signature != want {
			t.Errorf("signature %s, want %s in any order", sent.Signature, want)
		}
		if err := cardext.Verify(ticket, card, ext.String()); err != nil && seconds >= 0 && len(ext.String()) <= 4096 {
			t.Errorf("Verify(%s): %v", ext, err)
		}
	})
}

func FuzzExplain_NeverPanicsNorTellsATicket(f *testing.F) {
	for _, tt := range explainTests {
		f.Add(cardID, tt.cardExt, nonce, code)
	}
	f.Add(
		ticket,
		`{"code":"`+ticket+`","timestamp":"1","nonceStr":"`+oldTicket+`","signature":"`+strings.Repeat("0", 40)+`"}`,
		jsapiTicket,
		ticket,
	)
	f.Fuzz(func(t *testing.T, card, cardExt, signedNonce, signedCode string) {
		facts := cardext.Facts{OldTickets: []string{oldTicket}, JSAPITicket: jsapiTicket, Card: &cardext.Card{},
			Signed: cardext.Signed{NonceStr: signedNonce, Code: signedCode, CardID: signedCode}}
		got := cardext.Explain(ticket, card, cardExt, facts)
		if (got.Cause == "") != (got.Detail == "") || got.Cause == "" && !got.Verifies {
			t.Errorf("%+v", got)
		}
		if err := cardext.Verify(ticket, card, cardExt); got.Verifies != (err == nil) {
			t.Errorf("verifies %v, but Verify: %v", got.Verifies, err)
		}
		text := fmt.Sprintf("%+v", got)
		for _, secret := range []string{ticket, oldTicket, jsapiTicket} {
			if strings.Contains(text, secret) {
				t.Errorf("a ticket is in %s", text)
			}
		}
	})
}
