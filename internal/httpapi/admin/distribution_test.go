package admin_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestOperator_PicturesQRCodesAndShelves(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	as := func(kind string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", kind) }
	}
	var up struct{ URL string }
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/images", apptest.AdminToken, picture.Bytes(), as("image/png")).Is(t, 201).JSON(t, &up)
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/images", apptest.AdminToken, picture.Bytes(), as("application/json")).
		Problem(t, 415, "unsupported_media_type")
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/images", apptest.AdminToken, []byte("GIF89a"), as("image/png")).
		Problem(t, 422, "invalid_input")
	apptest.Request(t, http.MethodPost, s.Admin+"/v1/images", "", picture.Bytes(), as("image/png")).Problem(t, 401, "admin_token_invalid")
	id := w.NewCard(s, func(base, member apptest.Object) { base["logo_url"], member["background_pic_url"] = up.URL, up.URL })

	var code struct {
		Ticket, URL   string
		ShowQRCodeURL string `json:"show_qrcode_url"`
	}
	s.Operate(http.MethodPost, "/v1/cards/"+id+"/qrcode", apptest.Object{"outer_str": "门口 &=+"}).Is(t, 200).JSON(t, &code)
	if code.URL == "" || code.Ticket == "" || code.ShowQRCodeURL == "" {
		t.Errorf("QR: %+v", code)
	}
	got := s.Operate(http.MethodPost, "/v1/cards/"+id+"/qrcode", apptest.Object{},
		func(r *http.Request) { r.Header.Set("Accept", "image/png") }).Is(t, 200)
	if _, err := png.Decode(bytes.NewReader(got.Body)); err != nil || got.Header.Get("Content-Type") != "image/png" {
		t.Errorf("PNG: %v, %s", err, got.Header.Get("Content-Type"))
	}
	var page struct {
		URL    string
		PageID int64 `json:"page_id"`
	}
	s.Operate(http.MethodPost, "/v1/shelves", apptest.Object{"banner": up.URL, "page_title": "店", "can_share": true, "scene": "SCENE_H5",
		"card_list": []any{apptest.Object{"card_id": id, "thumb_url": up.URL}}}).Is(t, 201).JSON(t, &page)
	if page.URL == "" || page.PageID == 0 {
		t.Errorf("shelf: %+v", page)
	}
}

func TestOperator_Deposits250CodesOfWhich37AreRefusedAndBatch2Dies(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.Deposit)
	codes := make([]string, 250)
	for i := range codes {
		codes[i] = fmt.Sprintf("%016d", 7_000_000_000_000_000+i)
		if i%6 == 0 && i/6 < 37 {
			codes[i] += "bad-code-that-is-too-long"
		}
	}
	// The answer to batch 2 is lost after its effect; batch 3 is lost once before it.
	for _, f := range []wechatsim.Fault{{Path: "/card/code/deposit", Skip: 1, Drop: true, When: "after"},
		{Path: "/card/code/deposit", Skip: 1, Drop: true}} {
		if err := w.Sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	type result struct {
		Deposited int
		Results   []struct{ Code, Result, Reason string }
	}
	count := func(r result) map[string]int {
		n := map[string]int{}
		for i, one := range r.Results {
			if n[one.Result]++; one.Code != codes[i] || one.Result != "deposited" && one.Reason == "" {
				t.Errorf("result %d: %+v", i, one)
			}
		}
		return n
	}
	var first, again result
	s.Operate(http.MethodPost, "/v1/cards/"+id+"/codes", apptest.Object{"codes": codes}).Is(t, 200).JSON(t, &first)
	if n := count(first); n["deposited"] != 213 || n["refused"] != 37 || first.Deposited != 213 {
		t.Errorf("first: %v", n)
	}
	s.Operate(http.MethodPost, "/v1/cards/"+id+"/codes", apptest.Object{"codes": codes}).Is(t, 200).JSON(t, &again)
	if n := count(again); n["duplicate"] != 213 || n["refused"] != 37 {
		t.Errorf("again: %v", n)
	}
	var list struct{ Cards []struct{ Quantity int64 } }
	s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, 200).JSON(t, &list)
	if list.Cards[0].Quantity != 213 {
		t.Errorf("stock: %+v, want as many as were deposited", list)
	}
	// WeChat chooses the code: there is none in the cardExt.
	token, _ := w.Login(s, "ming")
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(id))
	if ext := apptest.CardExts(t, got)[0]; ext.Code != "" {
		t.Errorf("cardExt has the code %s", ext.Code)
	}
	if _, err := w.Sim.AddCard("ming", got.Body); err != nil {
		t.Error(err)
	}
}

// The stock follows the number of codes even if the answer to its change is lost,
// or another deposit raises it meanwhile.
func TestOperator_DepositsRaiseTheStockOnce(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.Deposit)
	fault := func(f wechatsim.Fault) {
		t.Helper()
		f.Path = "/card/modifystock"
		if err := w.Sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	send := func(codes ...string) apptest.Answer {
		return s.Operate(http.MethodPost, "/v1/cards/"+id+"/codes", apptest.Object{"codes": codes})
	}
	fault(wechatsim.Fault{Drop: true, When: "after"})
	send("A1", "A2").Is(t, 200)

	counted := func() int { return w.Sim.Calls()["/card/code/getdepositcount"].Total }
	before := counted()
	fault(wechatsim.Fault{LatencyMS: 1000})
	first := make(chan apptest.Answer)
	go func() { first <- send("A3") }()
	apptest.Eventually(t, "the first is about to raise", func() bool { return counted() > before })
	send("A3").Is(t, 200)
	(<-first).Is(t, 200)

	var list struct{ Cards []struct{ Quantity int64 } }
	s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, 200).JSON(t, &list)
	if list.Cards[0].Quantity != 3 {
		t.Errorf("stock: %+v, want 3", list)
	}
}

// Ending a code succeeds when it is repeated after a lost answer, although WeChat
// refuses to end it twice.
func TestOperator_EndsACode(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.RealTime)
	token, _ := w.Login(s, "ming")
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(id))
	added, err := w.Sim.AddCard("ming", got.Body)
	if err != nil {
		t.Fatal(err)
	}
	s.Post("/v1/claims", token, apptest.Object{"cardList": added}).Is(t, 200)
	code := apptest.CardExts(t, got)[0].Code
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/code/unavailable", Drop: true, When: "after"}); err != nil {
		t.Fatal(err)
	}
	s.Operate(http.MethodPost, "/v1/cards/"+id+"/codes/"+code+"/unavailable", apptest.Object{"reason": "lost"}).
		Problem(t, 503, "wechat_unavailable")
	s.Operate(http.MethodPost, "/v1/cards/"+id+"/codes/"+code+"/unavailable", apptest.Object{"reason": "lost"}).Is(t, 204)
	var me struct {
		Cards []struct{ Code, Status string }
	}
	s.Get("/v1/me", token).JSON(t, &me)
	if len(me.Cards) != 1 || me.Cards[0].Status != "unavailable" {
		t.Errorf("me: %+v", me)
	}
	if fresh := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(id)))[0].Code; fresh == code {
		t.Error("the ended code was signed again")
	}
}
