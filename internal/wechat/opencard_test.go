package wechat_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat"
)

func TestClient_OpenCard_DecodesEachValueOnce(t *testing.T) {
	t.Parallel()
	// The first is WeChat's answer to a developer (G1 of its community).
	for url, want := range map[string]wechat.OpenCard{
		"https://mp.weixin.qq.com/bizmall/activatemembercard?action=preshow&&encrypt_card_id=9wLA7RVjx9wVnM9iZY%2BVftvvUC26%2F%2FUFdpfUTYHWFbBi9V1vU8ZdelEMPEQ6usuh&outer_str=1&biz=MzU2NzQxNTg3Mw%3D%3D#wechat_redirect": {
			EncryptCardID: "9wLA7RVjx9wVnM9iZY+VftvvUC26//UFdpfUTYHWFbBi9V1vU8ZdelEMPEQ6usuh", OuterStr: "1", Biz: "MzU2NzQxNTg3Mw=="},
		"https://x/?encrypt_card_id=a+b=c==&biz=MQ==&outer_str=":                 {EncryptCardID: "a+b=c==", Biz: "MQ=="},
		"https://x/?biz=1&encrypt_card_id=%252B&outer_str=a%26b%3Dc%2B%E5%BA%97": {EncryptCardID: "%2B", Biz: "1", OuterStr: "a&b=c+店"},
	} {
		got, err := says(t, `{"errcode":0,"errmsg":"ok","url":"`+url+`"}`).client(t, twoTokens()).OpenCard(t.Context(), "p1", "home")
		if got != want || err != nil {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", url, got, err, want)
		}
	}
	for _, url := range []string{"", "https://x/", "https://x/?biz=1", "https://x/?encrypt_card_id=%zz&biz=1",
		"https://x/?encrypt_card_id=&biz=1", "https://x/#?encrypt_card_id=a&biz=1"} {
		_, err := says(t, `{"url":"`+url+`"}`).client(t, twoTokens()).OpenCard(t.Context(), "p1", "")
		if e := (*wechat.Error)(nil); !errors.As(err, &e) || e.Code != 0 {
			t.Errorf("%q: got %v, want an unusable answer", url, err)
		}
	}
}

func FuzzOpenCard(f *testing.F) {
	f.Add("https://mp.weixin.qq.com/bizmall/activatemembercard?action=preshow&&encrypt_card_id=a%2B&outer_str=1&biz=M%3D%3D#wechat_redirect")
	f.Add("?&&=%")
	f.Fuzz(func(t *testing.T, url string) {
		p, ok := wechat.ParseOpenCard(url)
		if ok && (p.EncryptCardID == "" || p.Biz == "" || strings.ContainsAny(p.EncryptCardID+p.Biz, "\r\n\x00")) {
			t.Errorf("%q gave %+v", url, p)
		}
	})
}

func TestClient_Form(t *testing.T) {
	t.Parallel()
	u := says(t, `{"errcode":0,"errmsg":"ok","info":{"common_field_list":[{"name":"USER_FORM_INFO_FLAG_MOBILE","value":"15"}],
		"custom_field_list":[{"name":"喜欢","value":"","value_list":["茶","咖啡"]}]}}`)
	common, custom, err := u.client(t, twoTokens()).Form(t.Context(), "a+b=")
	if err != nil || !reflect.DeepEqual(common, []wechat.FormField{{Name: "USER_FORM_INFO_FLAG_MOBILE", Value: "15"}}) ||
		!reflect.DeepEqual(custom, []wechat.FormField{{Name: "喜欢", Values: []string{"茶", "咖啡"}}}) {
		t.Errorf("got %v, %v, %v", common, custom, err)
	}
	if got := u.seen()[0]; got.Path != "/card/membercard/activatetempinfo/get" || got.Body != `{"activate_ticket":"a+b="}` {
		t.Errorf("sent %s %s", got.Path, got.Body)
	}
}
