package console_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// What a phone refuses is explained in words, whatever part of it was pasted, and the
// ticket is on no page.
func TestExplain_SaysWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	cardID := w.NewCard(s)
	token, _ := w.Login(s, "ming")
	answer := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Is(t, 200)
	var list struct {
		CardList []struct{ CardExt string }
	}
	answer.JSON(t, &list)
	cardExt := list.CardList[0].CardExt
	var ticket struct{ Value string }
	s.Operate(http.MethodGet, "/v1/tickets/wx_card", nil).Is(t, 200).JSON(t, &ticket)
	if len(ticket.Value) < 10 {
		t.Fatalf("the ticket is %q", ticket.Value)
	}
	zoe := asStaff(t, s, "Zoe", "manager")
	check := func(status int, form url.Values, texts ...string) page {
		t.Helper()
		p := zoe.send("/explain", form).shows(status, texts...)
		if strings.Contains(p.text, ticket.Value) {
			t.Errorf("the page has the ticket:\n%s", p.text)
		}
		return p
	}
	one, err := json.Marshal(map[string]string{"cardId": cardID, "cardExt": cardExt})
	if err != nil {
		t.Fatal(err)
	}
	good := []string{"签名正确", "没有发现问题", "<code>***</code>", "签名时间：", cardID}
	for _, text := range []string{string(answer.Body), "[" + string(one) + "]", " " + string(one) + "\n"} {
		check(200, url.Values{"text": {text}, "card_id": {"another"}}, good...)
	}
	alone := url.Values{"text": {cardExt}, "card_id": {" " + cardID + " "}}
	check(200, alone, good...)
	check(200, url.Values{"text": {`[{"cardId":"` + cardID + `","cardExt":` + cardExt + `}]`}},
		"签名不正确", "JSON.stringify", "<code>not_a_string</code>")

	alone.Set("text", regexp.MustCompile(`"nonce_str":"[^"]*"`).ReplaceAllString(cardExt, `"nonce_str":"<b>changed</b>"`))
	check(200, alone, "签名不正确", "不是任何一种常见错误", "&lt;b&gt;changed")
	alone.Set("signed_nonce_str", regexp.MustCompile(`"nonce_str":"([^"]*)"`).FindStringSubmatch(cardExt)[1])
	p := check(200, alone, "签名的 nonce_str 和发送的不一样", "只生成一次 nonce_str")
	if strings.Contains(p.text, "<b>changed") {
		t.Error("what was pasted is markup on the page")
	}
	zoe.send("/language", url.Values{"lang": {"en"}})
	check(200, alone, "The signature is wrong", "Another nonce_str was signed than was sent", "Make the nonce_str once")
	literal := "{cardId: '" + cardID + "', cardExt: '" + cardExt + "'}"
	check(200, url.Values{"text": {literal}}, "The signature is right")
	check(200, url.Values{"text": {`{"cardId":"p","cardExt":"{"}`}}, "cardExt is not one JSON object")
	check(422, url.Values{"text": {"{"}, "card_id": {cardID}}, "This is no JSON")
	check(422, url.Values{"text": {cardExt}}, "enter the card_id, too", html.EscapeString(cardExt))
	check(422, url.Values{"text": {"乱写的"}}, "This is no JSON")
	check(422, url.Values{"text": {" \n"}}, "Paste a cardList or a cardExt first")
	check(422, url.Values{"text": {"[" + strings.Repeat(string(one)+",", 10) + string(one) + "]"}}, "At most ten")
	check(422, url.Values{"text": {cardExt}, "card_id": {strings.Repeat("p", 65)}}, "body.card_id")
}

func TestExplain_ItsExampleHasAKnownMistake(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := signedIn(t, s, s.Admin)
	empty := b.open("/explain").shows(200, "console.log", "/v1/explain")
	example := html.UnescapeString(regexp.MustCompile(`name="text" value="([^"]*)"`).FindStringSubmatch(empty.text)[1])
	// The ticket of the example is WeChat's, not this shop's.
	p := b.send("/explain", url.Values{"text": {example}}).
		shows(200, html.EscapeString(example), "签名不正确", "签名时间和现在相差 10 分钟以上", "<li><code>1404896688</code></li>")
	if strings.Contains(p.text, "console.log") {
		t.Error("the page is empty though it has the example")
	}
	asStaff(t, s, "Max", "cashier").open("/explain").shows(403, "你的角色不能做这件事")
}

// Each cause that the API may name has words and a remedy.
func TestExplain_HasTextsForEachCause(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../cardext/causes.go")
	if err != nil {
		t.Fatal(err)
	}
	causes := regexp.MustCompile(`Cause\w+\s+= "(\w+)"`).FindAllSubmatch(source, -1)
	if len(causes) < 40 {
		t.Fatalf("found %d causes", len(causes))
	}
	texts := textsOf(t, "zh")
	for _, cause := range causes {
		for _, key := range []string{"cause." + string(cause[1]), "fix." + string(cause[1])} {
			if texts[key] == "" {
				t.Errorf("there is no %s", key)
			}
		}
	}
}
