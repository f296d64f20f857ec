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
		"a control character in a name":  message("<Outer\x01Str>x</Outer\x01Str>"),
		"a break-out that a NUL hides":   message("<OuterStr><![CDATA[]\x00]></OuterStr><UserCardCode>666</UserCardCode><OuterStr><![CDATA[]]></OuterStr>x"),
		"a tag that a NUL hides":         message("<\x00FromUserName>mallory</\x00FromUserName>"),
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

// Symptom: an event with a control character in its OuterStr had no effect.
func TestOpen_KeepsAnEventWithCharactersThatXMLHasNot(t *testing.T) {
	t.Parallel()
	var control strings.Builder
	for c := range byte(' ') {
		control.WriteByte(c)
	}
	for dirty, want := range map[string]string{
		"ta\x01ble\x00": "table", "\x08x\x1b[0m": "x[0m", "x" + control.String() + "y": "x\t\n\ny", "会\xe5\x91": "会", "\xff\xfe\xed\xa0\xbd": "",
		"\xc3\x28": "(", "\ufffe\uffff\ufffdx": "x", "]\x00]>x": "]]>x", "&\x00lt;": "&lt;", "\u0085\u2028": "\u0085\u2028",
	} {
		for name, text := range map[string]string{
			"CDATA":     message("<OuterStr><![CDATA[" + dirty + "]]></OuterStr>"),
			"junk":      "\x00\ufeff\x01" + message("<OuterStr><![CDATA["+dirty+"]]></OuterStr>") + "\x00\r\n\x00",
			"in others": strings.Replace(message("\x01<OuterStr><![CDATA["+dirty+"]]></OuterStr>\x02"), "1234", "<![CDATA[12\x0034\xe6\x9c]]>", 1),
		} {
			both(t, name, text, func(e push.Event, err error) {
				if err != nil || e.OuterStr != want || e.UserCardCode != "1234" || e.FromUserName != "alice" {
					t.Errorf("%s %q: %q, %q, %v", name, dirty, e.OuterStr, e.UserCardCode, err)
				}
			})
		}
	}
	both(t, "text", message("<OuterStr>a\x01b\xff</OuterStr>"), func(e push.Event, err error) {
		if err != nil || e.OuterStr != "ab" {
			t.Errorf("%q, %v", e.OuterStr, err)
		}
	})
}

const jsonDel = `{"ToUserName":"gh_3fcea188bf78","FromUserName":"alice","CreateTime":1700000000,"MsgType":"event",` +
	`"Event":"user_del_card","CardId":"pCard","UserCardCode":"1234","IsReturnBack":0,"OuterStr":"home"}`

func TestOpen_ReadsJSONAsItReadsXML(t *testing.T) {
	t.Parallel()
	same, err := plain(message("<IsReturnBack>0</IsReturnBack><OuterStr>home</OuterStr>")).to(plainReceiver(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"as WeChat writes it":  jsonDel,
		"spaced":               " \r\n" + strings.NewReplacer(`,`, " ,\n\t", `:`, " : ").Replace(jsonDel) + "\n",
		"numbers as strings":   strings.NewReplacer(`1700000000`, `"1700000000"`, `k":0`, `k":"0"`).Replace(jsonDel),
		"a number for a code":  strings.Replace(jsonDel, `"1234"`, `1234`, 1),
		"false for 0":          strings.Replace(jsonDel, `k":0`, `k":false`, 1),
		"white space in texts": strings.Replace(jsonDel, `alice`, " alice\n", 1),
		"a byte order mark":    "\ufeff" + jsonDel + "\x00",
		"control characters":   strings.Replace(jsonDel, `home`, "\x00ho\x08me\\u0001\xe6\x9c", 1),
		"half a pair":          strings.Replace(jsonDel, `home`, `home\ud83d`, 1),
	} {
		both(t, name, text, func(e push.Event, err error) {
			if err != nil || fmt.Sprint(e) != fmt.Sprint(same) || e.DedupeKey() != same.DedupeKey() {
				t.Errorf("%s: %+v, %v, want %+v", name, e, err, same)
			}
		})
	}
	for text, want := range map[string]string{
		strings.Replace(jsonDel, `}`, `,"CardId":"pCard"}`, 1): push.BrokenJSON,
		jsonDel + jsonDel:                                                        push.BrokenJSON,
		jsonDel[:len(jsonDel)-1]:                                                 push.BrokenJSON,
		strings.Replace(jsonDel, `"event"`, `"text"`, 1):                         push.NotAnEvent,
		strings.Replace(jsonDel, `"user_del_card"`, `"debug_demo"`, 1):           push.UnknownEvent,
		strings.Replace(jsonDel, `"pCard"`, `null`, 1):                           push.MissingField,
		strings.Replace(jsonDel, `"pCard"`, `{"CardId":"pCard"}`, 1):             push.MissingField,
		strings.Replace(jsonDel, `1700000000`, `1.7e9`, 1):                       push.BadField,
		strings.Replace(jsonDel, `"gh_3fcea188bf78"`, `"gh_3fcea188bf79"`, 1):    push.OtherAccount,
		strings.NewReplacer(`"FromUserName"`, `"fromusername"`).Replace(jsonDel): push.MissingField,
	} {
		both(t, text, text, func(e push.Event, err error) {
			if got := reason(t, err); got != want || e.Fields != nil {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		})
	}
}

func TestOpen_KnowsWhatIsNoXML(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":       "",
		"blanks":        " \r\n\t",
		"a JSON array":  `[{"ToUserName":"gh_3fcea188bf78"}]`,
		"a JSON string": `"` + message("") + `"`,
		"a form":        "ToUserName=gh_3fcea188bf78",
		"only junk":     "\x00\ufeff\xff",
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
