package wechatsim_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

func qr(card tree) tree { return tree{"action_name": "QR_CARD", "action_info": tree{"card": card}} }

func TestQRCode_LeadsToTheCard(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	system, custom := r.create(systemCodes(), nil), r.create(nil, nil)
	scan := func(user, url string) reply {
		return r.post("/_sim/phones/"+user+"/scan-qr", tree{"url": url})
	}
	made := r.card("/card/qrcode/create", qr(tree{"card_id": system, "outer_str": "door & =+店"}))
	if made.code() != 0 || made.text("ticket") == "" || !strings.Contains(made.text("show_qrcode_url"), made.text("ticket")) ||
		made.whole("expire_seconds") != 365*86400 {
		t.Fatalf("made %v", made)
	}
	for _, user := range []string{"ann", "bob"} {
		if got := scan(user, made.text("url")); got.text("outer_str") != "door & =+店" || got.text("card_id") != system {
			t.Errorf("%s scans: %v", user, got)
		}
	}
	once := r.card("/card/qrcode/create", qr(tree{"card_id": custom, "code": "A1"}))
	if got := scan("ann", once.text("url")); got.text("code") != "A1" {
		t.Errorf("with a code: %v", got)
	}
	if got := scan("bob", once.text("url")); got.text("field") != "url" {
		t.Errorf("used: %v", got)
	}
	short := qr(tree{"card_id": system})
	short["expire_seconds"] = 60
	made = r.card("/card/qrcode/create", short)
	r.post("/_sim/clock/advance", tree{"seconds": 60})
	if got := scan("cat", made.text("url")); got.text("field") != "url" {
		t.Errorf("expired: %v", got)
	}
	if got := scan("cat", "http://weixin.qq.com/q/none"); got.text("field") != "url" {
		t.Errorf("unknown: %v", got)
	}
}

func TestQRCode_Refusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	system, custom := r.create(systemCodes(), nil), r.create(nil, nil)
	bound := r.create(tree{"use_custom_code": false, "bind_openid": true}, nil)
	gone := r.create(systemCodes(), nil)
	r.card("/card/delete", tree{"card_id": gone})
	for name, c := range map[string]struct {
		body tree
		want int
	}{
		"no code":         {qr(tree{"card_id": custom}), 41013},
		"a code too many": {qr(tree{"card_id": system, "code": "A1"}), 40116},
		"a long code":     {qr(tree{"card_id": custom, "code": strings.Repeat("1", 21)}), 40116},
		"no openid":       {qr(tree{"card_id": bound}), 40003},
		"no card":         {qr(tree{"card_id": "p"}), 40073},
		"deleted":         {qr(tree{"card_id": gone}), 40078},
		"outer_str":       {qr(tree{"card_id": system, "outer_str": strings.Repeat("x", 129)}), 45021},
		"action":          {tree{"action_name": "QR", "action_info": tree{}}, 40053},
		"expires too soon": {tree{"action_name": "QR_CARD", "expire_seconds": 59,
			"action_info": tree{"card": tree{"card_id": system}}}, 40097},
		"expires in a text": {tree{"action_name": "QR_CARD", "expire_seconds": "60",
			"action_info": tree{"card": tree{"card_id": system}}}, 47001},
	} {
		if got := r.card("/card/qrcode/create", c.body); got.code() != c.want {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
}

func TestShelf(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	system, custom := r.create(systemCodes(), nil), r.create(nil, nil)
	shelf := func(patch tree) tree {
		body := tree{"banner": "http://mmbiz.qpic.cn/b", "page_title": "茶店", "can_share": true, "scene": "SCENE_H5",
			"card_list": []any{tree{"card_id": system, "thumb_url": "http://mmbiz.qpic.cn/t"}}}
		overlay(body, patch)
		return body
	}
	made := r.card("/card/landingpage/create", shelf(nil))
	if made.code() != 0 || made.whole("page_id") != 1 || !strings.HasPrefix(made.text("url"), "https://mp.weixin.qq.com/") {
		t.Errorf("made %v", made)
	}
	for name, c := range map[string]struct {
		patch tree
		want  int
	}{
		"scene":     {tree{"scene": "SCENE_ELSEWHERE"}, 40097},
		"banner":    {tree{"banner": "http://shop.example/b"}, 40141},
		"no cards":  {tree{"card_list": []any{}}, 41012},
		"no title":  {tree{"page_title": nil}, 41011},
		"real time": {tree{"card_list": []any{tree{"card_id": custom, "thumb_url": "http://mmbiz.qpic.cn/t"}}}, 40150},
		"no thumb":  {tree{"card_list": []any{tree{"card_id": system}}}, 41011},
		"a text":    {tree{"card_list": []any{"p"}}, 47001},
	} {
		if got := r.card("/card/landingpage/create", shelf(c.patch)); got.code() != c.want {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
}

func TestUploadImage(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	upload := func(field string, data []byte) (got reply) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		part, err := w.CreateFormFile(field, "logo.png")
		if err != nil {
			t.Fatal(err)
		}
		part.Write(data)
		w.Close()
		res, err := http.Post(r.server.URL+"/cgi-bin/media/uploadimg?access_token="+r.token(), w.FormDataContentType(), &form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		return got
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	got := upload("media", picture.Bytes())
	if u, err := url.Parse(got.text("url")); err != nil || u.Host != "mmbiz.qpic.cn" {
		t.Errorf("got %v", got)
	}
	if made := r.card("/card/create", memberCard(tree{"logo_url": got.text("url")},
		tree{"background_pic_url": got.text("url")})); made.code() != 0 {
		t.Errorf("a card with it: %v", made)
	}
	wantCode(t, upload("picture", picture.Bytes()), 41005)
	wantCode(t, upload("media", []byte("GIF89a")), 40097)
	wantCode(t, upload("media", append(picture.Bytes(), make([]byte, 1<<20)...)), 40009)
	wantCode(t, r.post("/cgi-bin/media/uploadimg?access_token="+r.token(), tree{}), 41005)
	wantCode(t, r.get("/cgi-bin/media/uploadimg?access_token="+r.token()), 43002)
}
