package wechatsim

import (
	"bytes"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
)

// qrCode is a QR code that leads to a card.
type qrCode struct {
	card           *card
	code, outerStr string
	openID         string
	expires        time.Time // zero: for ever
	used           bool
}

// createQRCode is POST /card/qrcode/create ("Create QR code"), for one card.
func (s *Sim) createQRCode(c *call) (object, error) {
	if action := c.body.text("action_name"); c.body.err() == nil && action != "QR_CARD" {
		return nil, refuse(40053, "action_name is not QR_CARD, the only one imitated")
	}
	seconds := c.body.integer("expire_seconds")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if c.body.has("expire_seconds") && (seconds < 60 || seconds > 1800) {
		return nil, refuse(40097, "expire_seconds is not 60 to 1800")
	}
	ref := c.body.object("action_info").object("card")
	found, err := s.findCard(ref)
	if err != nil {
		return nil, err
	}
	p := &qrCode{card: found, code: ref.text("code"), openID: ref.text("openid"), outerStr: ref.text("outer_str")}
	ref.boolean("is_unique_code")
	if err := ref.err(); err != nil {
		return nil, err
	}
	if err := s.checkQRCode(p); err != nil {
		return nil, err
	}
	if seconds > 0 {
		p.expires = c.now.Add(time.Duration(seconds) * time.Second)
	} else {
		seconds = 365 * 86400
	}
	ticket := "g" + s.randomString(urlSafe, 80)
	url := "http://weixin.qq.com/q/" + s.randomString(urlSafe, 24)
	s.qrCodes[url] = p
	return success(object{"ticket": ticket, "expire_seconds": seconds, "url": url,
		"show_qrcode_url": "https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=" + ticket}), nil
}

func (s *Sim) checkQRCode(p *qrCode) error {
	switch {
	case p.card.status == cardDeleted || p.card.status == verifyFail:
		return refuse(40078, "the card cannot be taken")
	case p.card.isRealTime() && p.code == "":
		return refuse(41013, "a custom-code card needs action_info.card.code")
	case !p.card.isRealTime() && p.code != "":
		return refuse(40116, "WeChat picks the code of this card")
	case len(p.code) > maxCodeLength:
		return refuse(40116, "code has more than 20 characters")
	case p.card.baseFlag("bind_openid") && s.openIDs[p.openID] == nil:
		return refuse(40003, "a bind_openid card needs action_info.card.openid of the Official Account")
	case len(p.outerStr) > 128:
		return refuse(45021, "outer_str has more than 128 bytes")
	}
	return nil
}

// readQRCode is what the picture at url offers the person.
func (s *Sim) readQRCode(url string, p *person) (*offer, error) {
	pic := s.qrCodes[url]
	switch {
	case pic == nil:
		return nil, notFound("url", "no such QR code was made")
	case !pic.expires.IsZero() && !s.Now().Before(pic.expires):
		return nil, invalidField("url", "the QR code has expired")
	case pic.used:
		return nil, invalidField("url", "the QR code was used: one with a custom code works once")
	case pic.openID != "" && pic.openID != p.openID:
		return nil, invalidField("url", "the QR code is another person's")
	}
	pic.used = pic.code != ""
	return &offer{cardID: pic.card.id, card: pic.card, code: pic.code, outerStr: pic.outerStr}, nil
}

// createShelf is POST /card/landingpage/create ("Create shelf").
func (s *Sim) createShelf(c *call) (object, error) {
	_ = c.body.required("banner", "page_title", "scene", "card_list") // c.body.err returns it
	c.body.text("page_title")
	c.body.boolean("can_share")
	scenes := []string{"SCENE_NEAR_BY", "SCENE_MENU", "SCENE_QRCODE", "SCENE_ARTICLE", "SCENE_H5", "SCENE_IVR", "SCENE_CARD_CUSTOM_CELL"}
	if scene := c.body.text("scene"); !slices.Contains(scenes, scene) {
		c.body.fail(40097, "scene is none of %s", strings.Join(scenes, ", "))
	}
	c.body.checkImageURL("banner")
	list := c.body.objectList("card_list")
	if len(list) == 0 {
		c.body.fail(41012, "card_list is empty")
	}
	for _, item := range list {
		if err := s.checkShelfItem(item); err != nil {
			return nil, err
		}
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	s.lastShelfID++
	biz := s.randomString(alphanumeric, 16)
	return success(object{"page_id": s.lastShelfID,
		"url": "https://mp.weixin.qq.com/bizmall/mallshelf?t=cardticket/shelf_list&biz=" + biz + "&shelf_id=1#wechat_redirect"}), nil
}

func (s *Sim) checkShelfItem(item fields) error {
	found, err := s.findCard(item)
	if err != nil {
		return err
	}
	_ = item.required("thumb_url")
	item.checkImageURL("thumb_url")
	if found.isRealTime() {
		return refuse(40150, "a custom-code card can be on a shelf only in deposit mode")
	}
	return item.err()
}

const maxImage = 1 << 20

// uploadImage is POST /cgi-bin/media/uploadimg ("Upload picture"). Its body is a form
// with one file, named media.
func (s *Sim) uploadImage(c *call) (object, error) {
	_, params, err := mime.ParseMediaType(c.contentType)
	if err != nil || params["boundary"] == "" {
		return nil, refuse(41005, "the body is no multipart form")
	}
	part, err := multipart.NewReader(bytes.NewReader(c.file), params["boundary"]).NextPart()
	if err != nil || part.FormName() != "media" || part.FileName() == "" {
		return nil, refuse(41005, "the form has no file called media")
	}
	var picture bytes.Buffer
	if _, err := picture.ReadFrom(part); err != nil {
		return nil, refuse(41005, "the form ends too early")
	}
	kind := http.DetectContentType(picture.Bytes())
	switch {
	case picture.Len() > maxImage:
		return nil, refuse(40009, "the picture has %d bytes, 1 MiB are allowed", picture.Len())
	case kind != "image/png" && kind != "image/jpeg":
		return nil, refuse(40097, "the file is neither PNG nor JPEG")
	}
	return object{"url": s.assumptions.ImageURL + "/mmbiz_" + kind[len("image/"):] + "/" + s.randomString(alphanumeric, 40) + "/0"}, nil
}
