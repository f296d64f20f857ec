package push_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat/push"
)

const (
	token      = "AAAAA"
	appID      = "wxb11529c136998cb6"
	originalID = "gh_3fcea188bf78"
	openID     = "oLxxxxxxxxxxxxxxxxxxxxxxxxxx"
	keyNow     = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" // its last character carries spare bits
	keyBefore  = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	keyRetired = "ABCDEFGabcdefghijklmnopqrstuvwxyz0123456789"
	when       = int64(1700000000)
	nonce      = "1514711492"
)

// getCard is the example of the fact sheet.
const getCard = `<xml><ToUserName><![CDATA[gh_3fcea188bf78]]></ToUserName><FromUserName><![CDATA[oLxxxxxxxxxxxxxxxxxxxxxxxxxx]]></FromUserName>` +
	`<CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[user_get_card]]></Event>` +
	`<CardId><![CDATA[pLxxxxxxxxxxxxxxxxxxxxxxxxxx]]></CardId><IsGiveByFriend>0</IsGiveByFriend><UserCardCode><![CDATA[A1B2C3]]></UserCardCode>` +
	`<FriendUserName><![CDATA[]]></FriendUserName><OuterId>0</OuterId><OldUserCardCode><![CDATA[]]></OldUserCardCode>` +
	`<OuterStr><![CDATA[mp_home]]></OuterStr><IsRestoreMemberCard>0</IsRestoreMemberCard><IsRecommendByFriend>0</IsRecommendByFriend>` +
	`<UnionId><![CDATA[o6_xxx]]></UnionId></xml>`

// sign computes the signature, written a second time.
func sign(values ...string) string {
	sort.Strings(values)
	return fmt.Sprintf("%x", sha1.Sum([]byte(strings.Join(values, ""))))
}

// envelope has the parts of the plaintext of an Encrypt; a test can break each.
type envelope struct {
	key, random, message, appID string
	size                        int    // -1 is that of message
	padding                     []byte // nil is the right one
}

func sealed(message string) envelope {
	return envelope{key: keyNow, random: "aaaabbbbccccdddd", message: message, appID: appID, size: -1}
}

// cipher encrypts, without base64.
func (e envelope) cipher() []byte {
	key, err := base64.RawStdEncoding.DecodeString(e.key)
	if err != nil || len(key) != 32 {
		panic("the test's key")
	}
	size := make([]byte, 4)
	if binary.BigEndian.PutUint32(size, uint32(e.size)); e.size < 0 {
		binary.BigEndian.PutUint32(size, uint32(len(e.message)))
	}
	text := e.random + string(size) + e.message + e.appID
	if e.padding == nil {
		missing := 32 - len(text)%32
		text += strings.Repeat(string(rune(missing)), missing)
	}
	out := []byte(text + string(e.padding))
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(out, out)
	return out
}

func (e envelope) encrypt() string { return base64.StdEncoding.EncodeToString(e.cipher()) }

// sent is a push as it is sent.
type sent struct {
	query url.Values
	body  string
}

func stamped(timestamp, nonce string) url.Values {
	return url.Values{"timestamp": {timestamp}, "nonce": {nonce}, "openid": {openID}, "signature": {sign(token, timestamp, nonce)}}
}

func plain(body string) sent { return sent{stamped(fmt.Sprint(when), nonce), body} }

// safe returns a push of an Encrypt with the right signatures.
func safe(encrypt string) sent {
	return safeBody(encrypt, "<xml><ToUserName><![CDATA["+originalID+"]]></ToUserName><Encrypt><![CDATA["+encrypt+"]]></Encrypt></xml>")
}

func safeBody(encrypt, body string) sent {
	s := plain(body)
	s.query.Set("encrypt_type", "aes")
	s.query.Set("msg_signature", sign(token, fmt.Sprint(when), nonce, encrypt))
	return s
}

// compat returns a push with clear fields beside the Encrypt.
func compat(clear, encrypt string) sent {
	return safeBody(encrypt, strings.Replace(clear, "</xml>", "<Encrypt><![CDATA["+encrypt+"]]></Encrypt></xml>", 1))
}

func (s sent) with(name string, values ...string) sent {
	changed := url.Values{}
	for k, v := range s.query {
		changed[k] = v
	}
	if changed[name] = values; len(values) == 0 {
		delete(changed, name)
	}
	return sent{changed, s.body}
}

func (s sent) to(r *push.Receiver) (push.Event, error) { return r.Open(s.query, []byte(s.body)) }

func at(seconds int64) func() time.Time { return func() time.Time { return time.Unix(seconds, 0) } }

func receiver(t testing.TB, o push.Options) *push.Receiver {
	t.Helper()
	if o.Now == nil {
		o.Now = at(when)
	}
	r, err := push.New(token, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sealedReceiver(t testing.TB) *push.Receiver {
	t.Helper()
	return receiver(t, push.Options{AESKey: keyNow, PreviousAESKey: keyBefore, AppID: appID, OriginalID: originalID})
}

func plainReceiver(t testing.TB) *push.Receiver {
	t.Helper()
	return receiver(t, push.Options{AppID: appID, OriginalID: originalID})
}
