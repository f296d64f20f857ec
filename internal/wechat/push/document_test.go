package push_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat/push"
)

// message returns an event with one more element.
func message(elements string) string {
	return "<xml><ToUserName>gh_3fcea188bf78</ToUserName><FromUserName>alice</FromUserName><CreateTime>1700000000</CreateTime>" +
		"<MsgType>event</MsgType><Event>user_del_card</Event><CardId>pCard</CardId><UserCardCode>1234</UserCardCode>" + elements + "</xml>"
}

// both sends a message in clear to one receiver and encrypted to another, and checks
// that the results are equal.
func both(t *testing.T, name, message string, check func(push.Event, error)) {
	t.Helper()
	e, err := plain(message).to(plainReceiver(t))
	check(e, err)
	again, errAgain := safe(sealed(message).encrypt()).to(sealedReceiver(t))
	check(again, errAgain)
	if again.DedupeKey() != e.DedupeKey() {
		t.Errorf("%s: sealed it is another event", name)
	}
}

func TestOpen_ReadsWhatWeChatMayWrite(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"plain text":                 message(""),
		"an XML declaration":         `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + message(""),
		"blanks everywhere":          "\r\n " + strings.NewReplacer("<", "\n\t <", ">", "> \r\n").Replace(message("")) + "\n\n",
		"CDATA":                      strings.Replace(message(""), "alice", "<![CDATA[alice]]>", 1),
		"blanks round CDATA":         strings.Replace(message(""), "alice", " \n<![CDATA[alice]]>\t\r\n", 1),
		"blanks within CDATA":        strings.Replace(message(""), "alice", "<![CDATA[ alice\n]]>", 1),
		"CDATA in two":               strings.Replace(message(""), "alice", "<![CDATA[al]]><![CDATA[ice]]>", 1),
		"characters by number":       strings.Replace(message(""), "alice", "&#97;&#x6c;ice", 1),
		"an empty element":           message("<UnionId/>"),
		"an unknown element":         message("<Novelty>1</Novelty>"),
		"an unknown one twice":       message("<Novelty>1</Novelty><Novelty>2</Novelty>"),
		"four below the root":        message("<A>?<B><C><D>1</D><D>2</D></C></B></A>"),
		"a known one's other case":   message("<fromusername>mallory</fromusername>"),
		"a name that only looks so":  message("<FrοmUserName>mallory</FrοmUserName>"), // a Greek omicron
		"a MsgID within another one": message("<SubscribeMsgSentEvent><List><MsgID>1</MsgID><Status>2</Status></List></SubscribeMsgSentEvent>"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, name, text, func(e push.Event, err error) {
				if err != nil || e.FromUserName != "alice" || e.CardID != "pCard" || e.UserCardCode != "1234" || e.CreateTime != 1700000000 {
					t.Errorf("%+v, %v", e, err)
				}
			})
		})
	}
}

func TestOpen_KeepsElementsOfUnknownMeaningForTheRecord(t *testing.T) {
	t.Parallel()
	text := message("<Novelty> 1 </Novelty><Novelty>2</Novelty><List>x<Item>3</Item>y</List><OuterStr>a<![CDATA[<b>]]>c</OuterStr>")
	both(t, "novelty", text, func(e push.Event, err error) {
		if err != nil || e.Fields["Novelty"] != "1" || e.Fields["List"] != "" || e.OuterStr != "a<b>c" {
			t.Errorf("%v, %v", e.Fields, err)
		}
	})
}

func TestOpen_RefusesXMLThatReadersUnderstandDifferently(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a name twice":                   message("<FromUserName>mallory</FromUserName>"),
		"a name twice, equal":            message("<FromUserName>alice</FromUserName>"),
		"a name twice, empty":            message("<FromUserName/>"),
		"a name of the record twice":     message("<OuterId>0</OuterId><OuterId>0</OuterId>"),
		"an outer_str that broke out":    message("<OuterStr><![CDATA[]]></OuterStr><UserCardCode>666</UserCardCode><OuterStr><![CDATA[]]></OuterStr>"),
		"a second root":                  message("") + message(""),
		"an empty second root":           message("") + "<xml/>",
		"text behind the root":           message("") + "x",
		"CDATA behind the root":          message("") + "<![CDATA[]]>",
		"a comment behind the root":      message("") + "<!-- -->",
		"an instruction behind the root": message("") + "<?x y?>",
		"text before the root":           "<!---->" + message(""),
		"another root":                   strings.NewReplacer("<xml>", "<XML>", "</xml>", "</XML>").Replace(message("")),
		"a root around it":               "<xml>" + message("") + "</xml>",
		"text below the root":            message("mallory"),
		"CDATA below the root":           message("<![CDATA[ ]]>"),
		"an entity below the root":       message("&#32;"),
		"a prefix":                       message("<a:UnionId>u</a:UnionId>"),
		"a prefix on the only one":       strings.ReplaceAll(message(""), "FromUserName>", "a:FromUserName>"),
		"a prefix that is empty":         message("<:UnionId>u</:UnionId>"),
		"a prefix without a name":        message("<UnionId:>u</UnionId:>"),
		"two prefixes":                   message("<a:b:UnionId>u</a:b:UnionId>"),
		"a prefix on an end":             message("<UnionId>u</a:UnionId>"),
		"a namespace":                    strings.Replace(message(""), "<xml>", `<xml xmlns="urn:x">`, 1),
		"a declared prefix":              strings.Replace(message(""), "<xml>", `<xml xmlns:a="urn:x">`, 1),
		"an attribute":                   message(`<UnionId lang="zh">u</UnionId>`),
		"an element in a value":          strings.Replace(message(""), "alice", "al<b>X</b>ice", 1),
		"an empty element in a value":    strings.Replace(message(""), "alice", "alice<b/>", 1),
		"a comment in a value":           strings.Replace(message(""), "alice", "al<!--c-->ice", 1),
		"an instruction in a value":      strings.Replace(message(""), "alice", "al<?c?>ice", 1),
		"a comment":                      message("<!-- c -->"),
		"an instruction":                 message("<?php echo 1?>"),
		"a late XML declaration":         message(`<?xml version="1.0"?>`),
		"an XML declaration after a gap": ` <?xml version="1.0"?>` + message(""),
		"two XML declarations":           `<?xml version="1.0"?><?xml version="1.0"?>` + message(""),
		"a style sheet":                  `<?xml-stylesheet href="x"?>` + message(""),
		"another encoding":               `<?xml version="1.0" encoding="GBK"?>` + message(""),
		"XML 1.1":                        `<?xml version="1.1"?>` + message(""),
		"a DOCTYPE":                      "<!DOCTYPE xml>" + message(""),
		"an entity of a file":            `<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/hostname">]>` + message("<OuterStr>&e;</OuterStr>"),
		"an entity of one's own":         `<!DOCTYPE xml [<!ENTITY e "mallory">]>` + message("<OuterStr>&e;</OuterStr>"),
		"laughing entities":              `<!DOCTYPE xml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>` + message("<OuterStr>&b;</OuterStr>"),
		"an entity that nobody declared": message("<OuterStr>&nbsp;</OuterStr>"),
		"a bare ampersand":               message("<OuterStr>a&b</OuterStr>"),
		"a character XML has not":        message("<OuterStr>&#0;</OuterStr>"),
		"a control character":            message("<OuterStr>\x01</OuterStr>"),
		"a NUL":                          message("<OuterStr>\x00</OuterStr>"),
		"bytes that are no UTF-8":        message("<OuterStr>\xc3\x28</OuterStr>"),
		"the same in CDATA":              message("<OuterStr><![CDATA[\xff]]></OuterStr>"),
		"UTF-16":                         "<\x00x\x00m\x00l\x00>\x00",
		"five below the root":            message("<A><B><C><D><E>1</E></D></C></B></A>"),
		"five thousand below the root":   message(strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000)),
		"a sender within another":        message("<Wrap><FromUserName>mallory</FromUserName></Wrap>"),
		"a code four below the root":     message("<A><B><C><UserCardCode>666</UserCardCode></C></B></A>"),
		"an end that is not its":         message("<UnionId>u</OuterStr>"),
		"an end too many":                message("</UnionId>"),
		"no end":                         strings.TrimSuffix(message(""), "</xml>"),
		"half an end":                    strings.TrimSuffix(message(""), "l>"),
		"half a CDATA":                   message("<OuterStr><![CDATA[x</OuterStr>"),
		"the end of a CDATA in text":     message("<OuterStr>]]></OuterStr>"),
		"a single <":                     "<",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, name, text, func(e push.Event, err error) {
				if got := reason(t, err); got != push.BrokenXML || e.Fields != nil {
					t.Errorf("%s, %+v", got, e)
				}
			})
		})
	}
}

func TestOpen_KnowsWhatIsNoXML(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":           "",
		"blanks":            " \r\n\t",
		"JSON":              `{"ToUserName":"gh_3fcea188bf78","MsgType":"event","Event":"user_del_card"}`,
		"JSON with XML":     `{"xml":"` + message("") + `"}`,
		"a form":            "ToUserName=gh_3fcea188bf78",
		"a byte order mark": "\ufeff" + message(""),
	} {
		both(t, name, text, func(_ push.Event, err error) {
			if got := reason(t, err); got != push.NotXML {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
}

func TestOpen_ReadsTheLargestBody(t *testing.T) {
	t.Parallel()
	room := push.MaxBody - len(message("<OuterStr></OuterStr>"))
	var names strings.Builder
	for i := 0; names.Len() < room-20; i++ {
		fmt.Fprintf(&names, "<a%x/>", i)
	}
	for name, text := range map[string]string{
		"text":            message("<OuterStr>" + strings.Repeat("x", room) + "</OuterStr>"),
		"one element":     message(strings.Repeat("<a/>", room/4)),
		"many elements":   message(names.String()),
		"one text in two": message("<OuterStr>" + strings.Repeat("<![CDATA[x]]>", room/13) + "</OuterStr>"),
	} {
		if e, err := plain(text).to(plainReceiver(t)); err != nil || e.UserCardCode != "1234" {
			t.Errorf("%s, %d bytes: %v", name, len(text), err)
		}
	}
}
