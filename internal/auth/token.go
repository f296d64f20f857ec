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
	// issuer is also the audience: addcard issues its tokens for itself.
	issuer = "addcard"
	// tokenLifetime is the lifetime of a session.
	tokenLifetime = 7200 * time.Second
	// leeway is the allowed difference between the clocks of two replicas.
	leeway = 30 * time.Second
	// maxTokenLength is six times the length of our tokens.
	maxTokenLength = 2048
)

// Reasons for ErrSession. The errors of golang-jwt are not used: they may quote the token.
var (
	errForm      = fmt.Errorf("%w: not three base64url parts in 2 KiB", ErrSession)
	errHeader    = fmt.Errorf("%w: header is not exactly alg HS256, typ JWT and kid", ErrSession)
	errKey       = fmt.Errorf("%w: signed with an unknown key", ErrSession)
	errSignature = fmt.Errorf("%w: wrong signature", ErrSession)
	errClaims    = fmt.Errorf("%w: claims differ from those that we issue", ErrSession)
	errTime      = fmt.Errorf("%w: expired or not yet issued", ErrSession)
	errRevoked   = fmt.Errorf("%w: logged out", ErrSession)
)

// tokens signs and parses sessions.
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

// issue returns a new session of the member and its token.
func (t tokens) issue(memberID string) (string, Session, error) {
	iat := t.now().Unix()
	c := claims{
		Issuer: issuer, Audience: issuer, Subject: memberID, ID: uuid.NewString(),
		IssuedAt: iat, ExpiresAt: iat + int64(tokenLifetime/time.Second),
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, &c)
	unsigned.Header["kid"] = t.keys.signer
	token, err := unsigned.SignedString(t.keys.byKID(t.keys.signer))
	if err != nil {
		return "", Session{}, fmt.Errorf("sign a session: %w", err)
	}
	return token, c.session(), nil
}

// parse returns the session of a token that we signed and that is not expired,
// or one of the errors above.
func (t tokens) parse(token string) (Session, error) {
	if !isWellFormed(token) {
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
		return Session{}, parseError(err)
	}
	return c.session(), nil
}

// isWellFormed reports whether the whole token matches
// ^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$. The base64 decoder would
// ignore line ends.
func isWellFormed(token string) bool {
	if len(token) > maxTokenLength {
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

// keyID returns the kid of a header that has exactly the fields of our headers.
// golang-jwt would use the last of two fields with the same name, and ignore
// crit and jku.
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

func parseError(err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return errTime
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return errSignature
	}
	return errClaims
}

// claims are all claims that a token may have. It implements jwt.Claims and
// jwt.ClaimsValidator.
type claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp"`
}

// UnmarshalJSON is strict: it refuses unknown and duplicate fields, names in
// the wrong case, numbers in strings and fractions.
func (c *claims) UnmarshalJSON(b []byte) error {
	type plain claims
	return json.Unmarshal(b, (*plain)(c), json.RejectUnknownMembers(true))
}

// Validate checks what golang-jwt does not.
func (c *claims) Validate() error {
	switch {
	case !isUUID(c.Subject), !isUUID(c.ID):
		return errors.New("sub or jti is not a UUID")
	case c.IssuedAt <= 0, c.ExpiresAt <= c.IssuedAt, c.ExpiresAt-c.IssuedAt > int64(tokenLifetime/time.Second):
		return errors.New("lifetime is not within two hours")
	}
	return nil
}

// isUUID accepts only the form with 36 characters; package uuid accepts three
// more.
func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

func (c *claims) session() Session {
	return Session{
		MemberID: c.Subject, JTI: c.ID,
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(c.ExpiresAt, 0).UTC(),
	}
}

// validAt reports whether the session is valid at now. It is the rule of
// golang-jwt for exp and iat, with the same leeway.
func (s Session) validAt(now time.Time) bool {
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
