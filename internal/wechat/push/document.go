package push

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxDepth is the largest depth of elements below the root. WeChat's deepest
	// events (pic_sysphoto, MASSSENDJOBFINISH) use four; card events use one.
	maxDepth = 4
	// space is the white space of XML; other blanks are content.
	space = " \t\r\n"
)

// document has the text of each element below the root of one message, without the
// white space around it. An element that contains elements has "". Of an element that
// is not in cardElements and is repeated, the first counts. In JSON, a member of the
// object takes the place of the element.
type document map[string]string

func (d document) has(name string) bool { _, found := d[name]; return found }

// keyElements identify the event, the person and the card. They are allowed only directly
// below the root.
var keyElements = []string{"ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "MsgId", "Encrypt",
	"CardId", "UserCardCode", "OldUserCardCode", "FriendUserName", "UnionId"}

// cardElements are all elements of card events and envelopes: each is allowed once and
// contains only text. Other pushes repeat and nest theirs.
var cardElements = append([]string{"OuterId", "OuterStr", "SourceScene", "RefuseReason", "Detail", "ModifyBonus", "ModifyBalance",
	"IsGiveByFriend", "IsRestoreMemberCard", "IsRecommendByFriend", "IsReturnBack", "IsChatRoom",
	"ConsumeSource", "LocationName", "StaffOpenId", "VerifyCode", "RemarkAmount", "TransId", "LocationId", "Fee", "OriginalFee",
	"OrderId", "Status", "CreateOrderTime", "PayFinishTime", "Desc", "FreeCoinCount", "PayCoinCount",
	"RefundFreeCoinCount", "RefundPayCoinCount", "OrderType", "Memo", "ReceiptInfo"}, keyElements...)

var errXML = errors.New("push: not the XML that WeChat writes")

// parse reads one message. The error is an *UnusableError.
func parse(body []byte) (document, error) {
	marked := allowed(body)
	switch start := bytes.TrimLeft(marked, space); {
	case bytes.HasPrefix(start, []byte("<")):
		return parseXML(marked)
	case bytes.HasPrefix(start, []byte("{")):
		return parseJSON(body)
	}
	return nil, &UnusableError{Reason: NotXML}
}

// removed stands for a character that has to be removed. It is removed from the texts
// only after they are read: without it, "]" and "]>" around it would become the end of
// a CDATA section.
const removed = utf8.RuneError

// ignored is what may be between elements.
const ignored = space + string(removed)

// allowed returns a body with removed in place of each byte that is not UTF-8 and of
// each character that XML does not allow, and without both at the beginning.
func allowed(body []byte) []byte {
	if bytes.ContainsFunc(body, disallowed) {
		body = bytes.Map(func(c rune) rune {
			if disallowed(c) {
				return removed
			}
			return c
		}, body)
	}
	return bytes.TrimLeft(body, string(removed)+"\ufeff")
}

// disallowed reports whether XML does not allow c; a byte that is not UTF-8 is removed.
func disallowed(c rune) bool {
	return c < ' ' && !strings.ContainsRune(space, c) || c == removed || c == '\ufffe' || c == '\uffff'
}

// text returns what was written in an element, without characters that are not allowed
// and without the white space around it.
func text(raw string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if disallowed(c) {
			return -1
		}
		return c
	}, raw), space)
}

// parseXML reads XML token by token: encoding/xml alone accepts a second root, the
// last of two equal names, foreign prefixes, and text that a comment or an element
// interrupts.
func parseXML(body []byte) (document, error) {
	p := parser{body: body, tokens: xml.NewDecoder(bytes.NewReader(body)), doc: document{}}
	for {
		switch err := p.next(); {
		case errors.Is(err, io.EOF) && p.closed:
			return p.doc, nil
		case err != nil:
			return nil, &UnusableError{Reason: BrokenXML}
		}
	}
}

// parser is the state of parse.
type parser struct {
	body   []byte
	tokens *xml.Decoder
	doc    document

	open   []string // the open elements, the root first
	text   []byte   // of the open element below the root
	parent bool     // that element contains elements
	closed bool     // the root element has ended
}

func (p *parser) next() error {
	start := p.tokens.InputOffset()
	token, err := p.tokens.RawToken()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case xml.StartElement:
		return p.enter(token)
	case xml.EndElement:
		return p.leave(token.Name)
	case xml.CharData:
		return p.characters(token, p.body[start:p.tokens.InputOffset()])
	case xml.ProcInst:
		// WeChat's invoice event begins with an XML declaration.
		if start == 0 && token.Target == "xml" {
			return nil
		}
	}
	return errXML // a comment, a DOCTYPE, an instruction
}

func (p *parser) enter(e xml.StartElement) error {
	name := e.Name.Local
	if e.Name.Space != "" || strings.Contains(name, ":") || len(e.Attr) > 0 {
		return errXML
	}
	switch depth := len(p.open); depth {
	case 0:
		if p.closed || name != "xml" {
			return errXML
		}
	case 1:
		if slices.Contains(cardElements, name) && p.doc.has(name) {
			return errXML
		}
		p.text, p.parent = p.text[:0], false
	default:
		if depth > maxDepth || slices.Contains(keyElements, name) || slices.Contains(cardElements, p.open[1]) {
			return errXML
		}
		p.parent = true
	}
	p.open = append(p.open, name)
	return nil
}

func (p *parser) leave(name xml.Name) error {
	top := len(p.open) - 1
	if top < 0 || name.Space != "" || name.Local != p.open[top] {
		return errXML
	}
	p.open = p.open[:top]
	switch top {
	case 0:
		p.closed = true
	case 1:
		if !p.doc.has(name.Local) {
			p.doc[name.Local] = p.value()
		}
	}
	return nil
}

// value returns the text of the element below the root that ends.
func (p *parser) value() string {
	if p.parent {
		return ""
	}
	return text(string(p.text))
}

// characters adds text to the open element; raw is its form in the message. Outside of
// elements with text even an empty CDATA section or an entity for a blank is an error.
func (p *parser) characters(text, raw []byte) error {
	switch len(p.open) {
	case 0, 1:
		if len(bytes.Trim(raw, ignored)) > 0 {
			return errXML
		}
	case 2:
		p.text = append(p.text, text...)
	}
	return nil
}
