package push

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
)

const (
	// maxDepth is how deep elements may lie below the root. WeChat's deepest
	// events (pic_sysphoto, MASSSENDJOBFINISH) use four; card events use one.
	maxDepth = 4
	// space is what XML calls white space; other blanks are content.
	space = " \t\r\n"
)

// document is what one message says: the text of each element below the root,
// without the white space round it. An element with elements inside has "", one
// of unknown meaning that comes again is the first.
type document map[string]string

func (d document) has(name string) bool { _, found := d[name]; return found }

// keyElements are the elements that say who did what to which card; nowhere but
// directly below the root may they be.
var keyElements = []string{"ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "MsgId", "Encrypt",
	"CardId", "UserCardCode", "OldUserCardCode", "FriendUserName", "UnionId"}

// cardElements are all elements that card events and envelopes have: each may come
// once, and hold text only. Other pushes do repeat and nest theirs.
var cardElements = append([]string{"OuterId", "OuterStr", "SourceScene", "RefuseReason", "Detail", "ModifyBonus", "ModifyBalance",
	"IsGiveByFriend", "IsRestoreMemberCard", "IsRecommendByFriend", "IsReturnBack", "IsChatRoom",
	"ConsumeSource", "LocationName", "StaffOpenId", "VerifyCode", "RemarkAmount", "TransId", "LocationId", "Fee", "OriginalFee",
	"OrderId", "Status", "CreateOrderTime", "PayFinishTime", "Desc", "FreeCoinCount", "PayCoinCount",
	"RefundFreeCoinCount", "RefundPayCoinCount", "OrderType", "Memo", "ReceiptInfo"}, keyElements...)

var errXML = errors.New("push: not the XML that WeChat writes")

// parse reads one message token by token: encoding/xml alone would take a
// second root, the last of two equal names, foreign prefixes, and text round a
// comment or an element as one. The error is an *Unusable.
func parse(body []byte) (document, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(body, space), []byte("<")) {
		return nil, &Unusable{Reason: NotXML}
	}
	r := parser{body: body, tokens: xml.NewDecoder(bytes.NewReader(body)), doc: document{}}
	for {
		switch err := r.next(); {
		case errors.Is(err, io.EOF) && r.closed:
			return r.doc, nil
		case err != nil:
			return nil, &Unusable{Reason: BrokenXML}
		}
	}
}

// parser is how far parse has come.
type parser struct {
	body   []byte
	tokens *xml.Decoder
	doc    document

	open   []string // the elements that are open, the root first
	text   []byte   // of the open element below the root
	parent bool     // that element has elements inside
	closed bool     // the root is
}

func (r *parser) next() error {
	start := r.tokens.InputOffset()
	token, err := r.tokens.RawToken()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case xml.StartElement:
		return r.enter(token)
	case xml.EndElement:
		return r.leave(token.Name)
	case xml.CharData:
		return r.characters(token, r.body[start:r.tokens.InputOffset()])
	case xml.ProcInst:
		// WeChat's invoice event begins with an XML declaration.
		if start == 0 && token.Target == "xml" {
			return nil
		}
	}
	return errXML // a comment, a DOCTYPE, an instruction
}

func (r *parser) enter(e xml.StartElement) error {
	name := e.Name.Local
	if e.Name.Space != "" || strings.Contains(name, ":") || len(e.Attr) > 0 {
		return errXML
	}
	switch depth := len(r.open); depth {
	case 0:
		if r.closed || name != "xml" {
			return errXML
		}
	case 1:
		if slices.Contains(cardElements, name) && r.doc.has(name) {
			return errXML
		}
		r.text, r.parent = r.text[:0], false
	default:
		if depth > maxDepth || slices.Contains(keyElements, name) || slices.Contains(cardElements, r.open[1]) {
			return errXML
		}
		r.parent = true
	}
	r.open = append(r.open, name)
	return nil
}

func (r *parser) leave(name xml.Name) error {
	top := len(r.open) - 1
	if top < 0 || name.Space != "" || name.Local != r.open[top] {
		return errXML
	}
	r.open = r.open[:top]
	switch top {
	case 0:
		r.closed = true
	case 1:
		if !r.doc.has(name.Local) {
			r.doc[name.Local] = r.value()
		}
	}
	return nil
}

// value is the text of the element below the root that ends.
func (r *parser) value() string {
	if r.parent {
		return ""
	}
	return string(bytes.Trim(r.text, space))
}

// characters takes text; raw is how it is written: outside of the elements with
// text even an empty CDATA section or an entity for a blank is too much.
func (r *parser) characters(text, raw []byte) error {
	switch len(r.open) {
	case 0, 1:
		if len(bytes.Trim(raw, space)) > 0 {
			return errXML
		}
	case 2:
		r.text = append(r.text, text...)
	}
	return nil
}
