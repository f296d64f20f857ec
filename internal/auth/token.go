package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// issuer is also the audience: addcard's tokens are for addcard.
	issuer = "addcard"
	// tokenLife is how long a session lasts at most.
	tokenLife = 7200 * time.Second
	// leeway is what two replicas' clocks may differ by.
	leeway = 30 * time.Second
	// maxToken is six times what our tokens take.
	maxToken = 2048
)

// The reasons are our own words: golang-jwt's errors may quote the token.
var (
	errForm      = fmt.Errorf("%w: not three base64url parts in 2 KiB", ErrSession)
	errHeader    = fmt.Errorf("%w: header is not exactly alg HS256, typ JWT and kid", ErrSession)
	errKey       = fmt.Errorf("%w: signed with a key we do not have", ErrSession)
	errSignature = fmt.Errorf("%w: wrong signature", ErrSession)
	errClaims    = fmt.Errorf("%w: claims are not exactly ours", ErrSession)
	errTime      = fmt.Errorf("%w: expired or not yet issued", ErrSession)
	errRevoked   = fmt.Errorf("%w: logged out", ErrSession)
)

// tokens signs sessions and reads them back.
type tokens struct {
	keys   *Keys
	now    func() time.Time
	parser *jwt.Parser
}

func newTokens(keys *Keys, now func() time.Time) tokens {
	return tokens{keys: keys, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(issuer),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(now),
	)}
}

// issue begins a session for the member.
func (t tokens) issue(memberID string) (string, Session, error) {
	iat := t.now().Unix()
	c := claims{
		Issuer: issuer, Audience: issuer, Subject: memberID, ID: uuid.NewString(),
		IssuedAt: iat, ExpiresAt: iat + int64(tokenLife/time.Second),
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, &c)
	unsigned.Header["kid"] = t.keys.signer
	token, err := unsigned.SignedString(t.keys.byKID(t.keys.signer))
	if err != nil {
		return "", Session{}, fmt.Errorf("sign a session: %w", err)
	}
	return token, c.session(), nil
}

// parse returns the session of a token that we signed and that is within its
// time, else one of the reasons above.
func (t tokens) parse(token string) (Session, error) {
	if !wellFormed(token) {
		return Session{}, errForm
	}
	kid, ok := keyID(token)
	if !ok {
		return Session{}, errHeader
	}
	key := t.keys.byKID(kid)
	if key == nil {
		return Session{}, errKey
	}
	var c claims
	_, err := t.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key, nil })
	if err != nil {
		return Session{}, reason(err)
	}
	return c.session(), nil
}

// wellFormed is ^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$ on the whole
// token: the base64 decoder would pass over line ends.
func wellFormed(token string) bool {
	if len(token) > maxToken {
		return false
	}
	dots, length := 0, 0
	for i := range len(token) {
		switch c := token[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			length++
		case c == '.' && length > 0:
			dots++
			length = 0
		default:
			return false
		}
	}
	return dots == 2 && length > 0
}

// keyID returns the kid of a header that holds nothing but what ours hold.
// golang-jwt would take the last of two members and overlook crit and jku.
func keyID(token string) (string, bool) {
	encoded, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", false
	}
	var h struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid"`
	}
	if err := json.Unmarshal(raw, &h, json.RejectUnknownMembers(true)); err != nil {
		return "", false
	}
	return h.KeyID, h.Algorithm == jwt.SigningMethodHS256.Alg() && h.Type == "JWT"
}

func reason(err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return errTime
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return errSignature
	}
	return errClaims
}

// claims are all a token may say. It implements jwt.Claims and
// jwt.ClaimsValidator.
type claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp"`
}

// UnmarshalJSON reads strictly: no unknown, repeated or wrongly cased member,
// no number in a string and no fraction.
func (c *claims) UnmarshalJSON(b []byte) error {
	type plain claims
	return json.Unmarshal(b, (*plain)(c), json.RejectUnknownMembers(true))
}

// Validate is the part of the contract that golang-jwt does not check.
func (c *claims) Validate() error {
	switch {
	case !isUUID(c.Subject), !isUUID(c.ID):
		return errors.New("sub or jti is not a UUID")
	case c.IssuedAt <= 0, c.ExpiresAt <= c.IssuedAt, c.ExpiresAt-c.IssuedAt > int64(tokenLife/time.Second):
		return errors.New("life is not within two hours")
	}
	return nil
}

// isUUID takes the 36-character form only; package uuid knows three more.
func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

func (c *claims) session() Session {
	return Session{
		MemberID: c.Subject, JTI: c.ID,
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(c.ExpiresAt, 0).UTC(),
	}
}

// livesAt is the judgement of golang-jwt on exp and iat, with its leeway.
func (s Session) livesAt(now time.Time) bool {
	return !now.Before(s.IssuedAt.Add(-leeway)) && now.Before(s.ExpiresAt.Add(leeway))
}

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.ExpiresAt), nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return date(c.IssuedAt), nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (c *claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }

func date(seconds int64) *jwt.NumericDate {
	if seconds == 0 {
		return nil // missing
	}
	return jwt.NewNumericDate(time.Unix(seconds, 0))
}
