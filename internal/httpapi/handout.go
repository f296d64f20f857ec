package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/card"
)

type qrInput struct {
	CardPath
	Accept string `header:"Accept" doc:"image/png draws the picture."`
	Body   struct {
		OuterStr      string `json:"outer_str,omitempty" doc:"The channel; comes back in WeChat's events."`
		ExpireSeconds int64  `json:"expire_seconds,omitempty" doc:"60 to 1800; a year by default."`
		Code          string `json:"code,omitempty" doc:"Required for a real-time custom-code card, whose picture works once."`
		OpenID        string `json:"openid,omitempty" doc:"Required for a bind_openid card: the holder's in the Official Account."`
	}
}

// Resolve finds what a schema cannot say.
func (in *qrInput) Resolve(huma.Context) []error {
	if msg := badOuterStr(in.Body.OuterStr); msg != "" {
		return []error{&huma.ErrorDetail{Location: "body.outer_str", Message: msg}}
	}
	return nil
}

type qrOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type qrAnswer struct {
	Ticket        string `json:"ticket"`
	URL           string `json:"url" doc:"What the picture says."`
	ShowQRCodeURL string `json:"show_qrcode_url" doc:"Where WeChat draws it."`
	ExpireSeconds int64  `json:"expire_seconds"`
}

func (a *API) qrcode(ctx context.Context, in *qrInput) (*qrOutput, error) {
	b := in.Body
	t, err := a.Operator.QR(ctx, card.QRCode{CardID: in.CardID, Code: b.Code, OpenID: b.OpenID, OuterStr: b.OuterStr, ExpireSeconds: b.ExpireSeconds})
	if err != nil {
		return nil, err
	}
	if strings.Contains(in.Accept, "image/png") {
		picture, err := t.PNG()
		return &qrOutput{"image/png", picture}, err
	}
	var text bytes.Buffer
	err = strictJSON.Marshal(&text, qrAnswer{t.Ticket, t.URL, t.ShowURL, t.ExpireSeconds})
	return &qrOutput{"application/json", text.Bytes()}, err
}

type depositInput struct {
	CardPath
	Body struct {
		Codes []string `json:"codes" minItems:"1" maxItems:"10000" doc:"Sent to WeChat in hundreds. Sending the list again finishes what was interrupted."`
	}
}

type depositOutput struct {
	Body struct {
		Deposited int             `json:"deposited"`
		Results   []depositedCode `json:"results" doc:"In the order of codes."`
	}
}

type depositedCode struct {
	Code   string `json:"code"`
	Result string `json:"result" enum:"deposited,duplicate,refused,failed"`
	Reason string `json:"reason,omitempty"`
}

func (a *API) deposit(ctx context.Context, in *depositInput) (*depositOutput, error) {
	results, err := a.Operator.Deposit(ctx, in.CardID, in.Body.Codes, nil)
	if err != nil {
		return nil, err
	}
	var out depositOutput
	out.Body.Results = make([]depositedCode, len(results))
	for i, r := range results {
		out.Body.Results[i] = depositedCode(r)
		if r.Result == card.Deposited {
			out.Body.Deposited++
		}
	}
	return &out, nil
}

type unavailableInput struct {
	CodePath
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"128" doc:"For WeChat's records."`
	}
}

type whitelistInput struct {
	Body struct {
		OpenID   []string `json:"openid" maxItems:"1000" doc:"Of the Official Account."`
		Username []string `json:"username" maxItems:"1000" doc:"WeChat IDs."`
	}
}

type shelfInput struct {
	Body json.RawMessage
}

type shelfOutput struct {
	Body struct {
		URL    string `json:"url"`
		PageID int64  `json:"page_id"`
	}
}

func (a *API) handingRoutes(api huma.API) {
	operate(a, api, huma.Operation{
		OperationID: "qrcode", Method: http.MethodPost, Path: "/v1/cards/{card_id}/qrcode", Summary: "A QR code that leads to a card",
		Errors: []int{400, 404, 413, 415},
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemaOf[qrAnswer](api, "QRCode")}, "image/png": {},
		}}},
	}, a.qrcode)
	operate(a, api, huma.Operation{
		OperationID: "deposit", Method: http.MethodPost, Path: "/v1/cards/{card_id}/codes", Summary: "Hand WeChat the codes of a deposit card",
		Description: "Codes of at most 20 letters and digits. An unanswered batch is asked about. The stock follows the number of codes.",
		Errors:      []int{400, 404, 413, 415}, Middlewares: patientWith(10 * time.Minute),
	}, a.deposit)
	operate(a, api, huma.Operation{
		OperationID: "unavailable", Method: http.MethodPost, Path: "/v1/cards/{card_id}/codes/{code}/unavailable", Summary: "End a code for good: its holder sees 失效",
		DefaultStatus: http.StatusNoContent, Errors: []int{400, 404, 413, 415},
	}, func(ctx context.Context, in *unavailableInput) (*nothing, error) {
		return nil, a.Operator.Unavailable(ctx, in.CardID, in.Code, in.Body.Reason)
	})
	operate(a, api, huma.Operation{
		OperationID: "whitelist", Method: http.MethodPut, Path: "/v1/test-whitelist", Summary: "Replace the testers, who may take a card that is in review",
		DefaultStatus: http.StatusNoContent, Errors: []int{400, 413, 415},
	}, func(ctx context.Context, in *whitelistInput) (*nothing, error) {
		return nil, a.Operator.Whitelist(ctx, in.Body.OpenID, in.Body.Username)
	})
	operate(a, api, huma.Operation{
		OperationID: "shelf", Method: http.MethodPost, Path: "/v1/shelves", Summary: "A page that shows cards (卡券货架)", DefaultStatus: http.StatusCreated,
		Description: "WeChat's body of /card/landingpage/create.", Errors: []int{400, 413, 415},
	}, func(ctx context.Context, in *shelfInput) (*shelfOutput, error) {
		var out shelfOutput
		var err error
		out.Body.URL, out.Body.PageID, err = a.Operator.Shelf(ctx, in.Body)
		return &out, err
	})
}

type imageAnswer struct {
	URL string `json:"url"`
}

// imageRoute takes a picture as it is, which is no JSON.
func (a *API) imageRoute(e *gin.Engine) {
	e.POST("/v1/images", func(c *gin.Context) {
		ctx := c.Request.Context()
		if kind := c.ContentType(); kind != "image/png" && kind != "image/jpeg" {
			p := newProblem(ctx, unsupportedMedia)
			p.Detail = "The request body must be a picture, image/png or image/jpeg."
			fail(c, p)
			return
		}
		picture, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, adminBody))
		if k, ok := bodyProblem(err); ok {
			fail(c, newProblem(ctx, k))
			return
		}
		url, err := a.Operator.Image(ctx, picture)
		if err != nil {
			fail(c, problemOf(ctx, a.Log, &operated{err}))
			return
		}
		c.Header("Content-Type", "application/json")
		c.Status(http.StatusCreated)
		_ = strictJSON.Marshal(c.Writer, imageAnswer{url})
	})
}

// describeImages puts imageRoute into the description of the API.
func describeImages(api huma.API) {
	picture := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	op := &huma.Operation{
		OperationID: "image", Method: http.MethodPost, Path: "/v1/images", Tags: []string{"cards"}, Security: bearerNeeded,
		Summary:     "Put a picture on WeChat's CDN, where card pictures must be; at most 1 MiB",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"image/png": {Schema: picture}, "image/jpeg": {Schema: picture}}},
		Responses: map[string]*huma.Response{"201": {Description: "Created", Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemaOf[imageAnswer](api, "Image")},
		}}},
	}
	api.OpenAPI().AddOperation(op)
}
