package push_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat/push"
)

type vector struct {
	ID, Kind string
	Inputs   json.RawMessage
	Expected json.RawMessage
}

// vectors returns the published vectors of the kinds given. The test fails when there
// are none.
func vectors(t *testing.T, kinds ...string) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Vectors []vector }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var picked []vector
	for _, v := range all.Vectors {
		for _, kind := range kinds {
			if v.Kind == kind {
				picked = append(picked, v)
			}
		}
	}
	if len(picked) == 0 {
		t.Fatalf("no vectors of kind %v", kinds)
	}
	return picked
}

func decode[T any](t *testing.T, raw json.RawMessage) (value T) {
	t.Helper()
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

type signing struct{ Token, Timestamp, Nonce, Encrypt string }

func (s signing) query(signature string) url.Values {
	return url.Values{"timestamp": {s.Timestamp}, "nonce": {s.Nonce}, "signature": {signature}}
}

func (s signing) receiver(t *testing.T, o push.Options) *push.Receiver {
	t.Helper()
	seconds, err := strconv.ParseInt(s.Timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	o.Now = at(seconds)
	r, err := push.New(s.Token, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHash_OfThePublishedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "push_signature", "push_signature_collision", "msg_signature") {
		in, want := decode[signing](t, v.Inputs), decode[string](t, v.Expected)
		if got := push.HashSorted(in.Token, in.Timestamp, in.Nonce, in.Encrypt); got != want {
			t.Errorf("%s: %s, want %s", v.ID, got, want)
		}
	}
}

func TestEcho_AnswersThePublishedChecks(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "push_signature") {
		in := decode[signing](t, v.Inputs)
		query := in.query(decode[string](t, v.Expected))
		query.Set("echostr", "4375120948345356249")
		got, err := in.receiver(t, push.Options{}).Echo(query)
		if got != "4375120948345356249" || err != nil {
			t.Errorf("%s: %q, %v", v.ID, got, err)
		}
	}
}

func TestOpen_TakesThePublishedPlaintextSignature(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "push_signature") {
		in := decode[signing](t, v.Inputs)
		if _, err := in.receiver(t, push.Options{}).Open(in.query(decode[string](t, v.Expected)), []byte(getCard)); err != nil {
			t.Errorf("%s: %v", v.ID, err)
		}
	}
}

// P2 and its three shifts have the same hash; only the values of P2 have the right
// forms.
func TestOpen_RefusesThePublishedFieldShifts(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "push_signature_collision") {
		in, signature := decode[signing](t, v.Inputs), decode[string](t, v.Expected)
		body := getCard
		query := in.query(signature)
		options := push.Options{}
		if strings.Contains(string(v.Inputs), "encrypt") {
			query.Set("encrypt_type", "aes")
			query.Set("msg_signature", signature)
			body = "<xml><Encrypt>" + in.Encrypt + "</Encrypt></xml>"
			options = push.Options{AESKey: keyNow, AppID: appID}
		}
		if _, err := in.receiver(t, options).Open(query, []byte(body)); !errors.Is(err, push.ErrForged) {
			t.Errorf("%s: %v", v.ID, err)
		}
	}
}

// P2's digits split at another place have the right form too: a timestamp in the year
// 2270.
func TestOpen_RefusesTheShiftThatOnlyTheAgeGivesAway(t *testing.T) {
	t.Parallel()
	in := signing{Token: token, Timestamp: "9486452656", Nonce: "171403705"}
	const signature = "899cf89e464efb63f54ddac96b0a0a235f53aa78"
	if sign(token, in.Timestamp, in.Nonce) != signature {
		t.Fatal("no shift of P2")
	}
	r := receiver(t, push.Options{Now: at(1714037059)})
	if _, err := r.Open(in.query(signature), []byte(getCard)); !errors.Is(err, push.ErrForged) {
		t.Error(err)
	}
}

type sealVector struct {
	EncodingAESKey string `json:"encoding_aes_key"`
	Encrypt        string
	Random, Msg    string
	AppID          string
}

func TestSeal_OpensThePublishedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "aes_decrypt") {
		in, want := decode[sealVector](t, v.Inputs), decode[sealVector](t, v.Expected)
		if got, ok := push.OpenSealed(in.EncodingAESKey, want.AppID, in.Encrypt); got != want.Msg || !ok {
			t.Errorf("%s: %q, %v", v.ID, got, ok)
		}
		e := envelope{key: in.EncodingAESKey, random: want.Random, message: want.Msg, appID: want.AppID, size: -1}
		if e.encrypt() != in.Encrypt {
			t.Errorf("%s: the sealer of these tests is not WeChat's", v.ID)
		}
	}
	for _, v := range vectors(t, "aes_encrypt") {
		in, encrypt := decode[sealVector](t, v.Inputs), decode[string](t, v.Expected)
		if got, ok := push.OpenSealed(in.EncodingAESKey, in.AppID, encrypt); got != in.Msg || !ok {
			t.Errorf("%s: %q, %v", v.ID, got, ok)
		}
	}
}

// A1 is a push in JSON: its envelope is right, but its event is not about a card.
func TestOpen_KnowsThePublishedPushForOneWithoutUse(t *testing.T) {
	t.Parallel()
	var v vector
	for _, one := range vectors(t, "msg_signature") {
		if one.ID == "A1-sig" {
			v = one
		}
	}
	in := decode[signing](t, v.Inputs)
	query := in.query(sign(in.Token, in.Timestamp, in.Nonce))
	query.Set("encrypt_type", "aes")
	query.Set("msg_signature", decode[string](t, v.Expected))
	r := in.receiver(t, push.Options{AESKey: strings.Repeat("A", 43), AppID: "wxba5fad812f8e6fb9"})
	for _, body := range []string{"<xml><Encrypt><![CDATA[" + in.Encrypt + "]]></Encrypt></xml>",
		`{"ToUserName":"gh_97417a04a28d","Encrypt":"` + in.Encrypt + `"}`} {
		_, err := r.Open(query, []byte(body))
		var useless *push.UnusableError
		if !errors.As(err, &useless) || useless.Reason != push.UnknownEvent {
			t.Error(err)
		}
	}
}
