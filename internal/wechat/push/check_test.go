package push_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat/push"
)

// Check judges before the body is there what Open would refuse with any body, and
// refuses nothing that Open takes.
func TestCheck_JudgesTheQueryWithoutTheBody(t *testing.T) {
	t.Parallel()
	encrypt := sealed(getCard).encrypt()
	unsigned := func() sent { return safe(encrypt).with("signature") }
	wrong := strings.Repeat("a", 40)
	for name, c := range map[string]struct {
		push   sent
		to     *push.Receiver
		proved bool
		err    error
	}{
		"plaintext":                          {plain(getCard), plainReceiver(t), true, nil},
		"compatible, read in the clear":      {compat(getCard, encrypt), plainReceiver(t), true, nil},
		"compatible":                         {compat(getCard, encrypt), sealedReceiver(t), true, nil},
		"safe":                               {safe(encrypt), sealedReceiver(t), true, nil},
		"safe, without signature":            {unsigned(), sealedReceiver(t), false, nil},
		"plaintext, no signature":            {plain(getCard).with("signature"), plainReceiver(t), false, push.ErrForged},
		"plaintext, wrong signature":         {plain(getCard).with("signature", wrong), plainReceiver(t), false, push.ErrForged},
		"safe, wrong signature":              {safe(encrypt).with("signature", wrong), sealedReceiver(t), false, push.ErrForged},
		"safe, no signature at all":          {unsigned().with("msg_signature"), sealedReceiver(t), false, push.ErrForged},
		"safe, without signature, no key":    {unsigned(), plainReceiver(t), false, push.ErrForged},
		"safe, without signature, malformed": {unsigned().with("msg_signature", "x"), sealedReceiver(t), false, push.ErrForged},
		"safe, without signature, old":       {unsigned().with("timestamp", "1000000000"), sealedReceiver(t), false, push.ErrForged},
		"safe, without signature, not aes":   {unsigned().with("encrypt_type"), sealedReceiver(t), false, push.ErrForged},
		"two nonces":                         {plain(getCard).with("nonce", "1", "2"), plainReceiver(t), false, push.ErrForged},
		"plaintext with a key":               {plain(getCard), sealedReceiver(t), true, push.ErrMode},
	} {
		proved, err := c.to.Check(c.push.query)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || err == nil && proved != c.proved {
			t.Errorf("%s: got %v, %v, want %v, %v", name, proved, err, c.proved, c.err)
		}
	}
}
