package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"

	"github.com/addcard/addcard/internal/cardext"
)

type explainInput struct {
	Body struct {
		CardID  string `json:"card_id" minLength:"1" maxLength:"64"`
		CardExt any    `json:"cardExt" doc:"As the mini-program passed it to wx.addCard. It should be a string; anything else is taken, and named as the cause."`
		Signed  signed `json:"signed,omitempty" doc:"The values that you believe were signed, as far as you know them: with them it can be proved that others were sent."`
	}
}

type signed struct {
	CardID    string `json:"card_id,omitempty" maxLength:"128"`
	Code      string `json:"code,omitempty" maxLength:"128"`
	OpenID    string `json:"openid,omitempty" maxLength:"128"`
	NonceStr  string `json:"nonce_str,omitempty" maxLength:"128"`
	Timestamp string `json:"timestamp,omitempty" maxLength:"32"`
}

type explainOutput struct {
	Body struct {
		Verifies  bool      `json:"verifies" doc:"The signature is right for these values and today's api_ticket."`
		Cause     string    `json:"cause,omitempty" doc:"The first thing that is wrong; stable."`
		Detail    string    `json:"detail,omitempty"`
		Also      []finding `json:"also,omitempty" doc:"What else is wrong."`
		Values    []string  `json:"values,omitempty" doc:"What should have been joined and hashed, in order; the ticket is masked."`
		Timestamp time.Time `json:"timestamp,omitempty,omitzero" doc:"The cardExt's timestamp."`
	}
}

type finding struct {
	Cause  string `json:"cause"`
	Detail string `json:"detail"`
}

func (a *API) explainRoute(api huma.API) {
	route(a, api, huma.Operation{
		OperationID: "explain", Method: http.MethodPost, Path: "/v1/explain", Tags: []string{"cards"},
		Summary: "Why a phone says 签名错误 to a cardExt", Security: []map[string][]string{{"bearer": {}}},
		Errors: []int{400, 401, 413, 415, 503},
	}, a.explain)
}

func (a *API) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	cardExt, isString := in.Body.CardExt.(string)
	if !isString {
		raw, err := json.Marshal(in.Body.CardExt)
		if err != nil {
			return nil, err
		}
		cardExt = string(raw)
	}
	r, err := a.CardLists.Explain(ctx, in.Body.CardID, cardExt, cardext.Facts{NotString: !isString, Signed: cardext.Signed(in.Body.Signed)})
	if err != nil {
		return nil, err
	}
	var out explainOutput
	b := &out.Body
	b.Verifies, b.Cause, b.Detail, b.Values, b.Timestamp = r.Verifies, r.Cause, r.Detail, r.Values, r.Timestamp
	for _, f := range r.Also {
		b.Also = append(b.Also, finding(f))
	}
	return &out, nil
}

// adminOnly lets through who has the ADMIN_TOKEN, the TICKET_TOKEN to the shared
// tickets, and anybody to what tells nothing: health and the description of the
// API.
func (a *API) adminOnly(c *gin.Context) {
	path, token := c.Request.URL.Path, bearer(c.Request.Header)
	open := path == "/healthz" || path == "/readyz" || strings.HasPrefix(path, "/openapi") || path == "/docs" || strings.HasPrefix(path, "/docs/")
	if open || isToken(token, a.AdminToken) || strings.HasPrefix(path, ticketsPath) && isToken(token, a.TicketToken) {
		c.Next()
		return
	}
	fail(c, newProblem(c.Request.Context(), adminTokenInvalid))
}

// isToken compares in constant time; an empty token is nobody's.
func isToken(given, want string) bool {
	g, w := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1 && want != ""
}
