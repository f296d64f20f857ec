package public

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

const pagePath = "/v1/jssdk-config"

type pageInput struct {
	URL string `query:"url" required:"true" maxLength:"2048" doc:"Of the page, as location.href has it, percent-encoded with encodeURIComponent; its fragment does not count."`
}

type pageOutput struct {
	Body struct {
		AppID     string `json:"appId"`
		Timestamp int64  `json:"timestamp"`
		NonceStr  string `json:"nonceStr"`
		Signature string `json:"signature"`
	}
}

func (a *api) pageRoutes() {
	a.Admit(http.MethodGet, pagePath, web.Admission{Slots: a.slots.stranger})
	web.Route(a.Listener, huma.Operation{
		OperationID: "jssdkConfig", Method: http.MethodGet, Path: pagePath, Tags: []string{"pages"},
		Summary: "What wx.config takes in a web page of the shop", Errors: []int{422, 429, 503},
		Description: "Pages of the hosts in JSSDK_HOSTS only.",
	}, func(ctx context.Context, in *pageInput) (*pageOutput, error) {
		c, err := a.Pages.Config(ctx, in.URL)
		var out pageOutput
		out.Body.AppID, out.Body.Timestamp, out.Body.NonceStr, out.Body.Signature = c.AppID, c.Timestamp, c.NonceStr, c.Signature
		return &out, web.TicketError(err)
	})
}

// checkPageURL refuses the address of a page that was put into the query without
// encoding it. It would be cut at its &, or decoded once too often, and another address
// than the browser's would be signed. Only the phone would report that.
func (a *api) checkPageURL(c *gin.Context) {
	name := map[string]string{pagePath: "url", oauthStart: "redirect"}[c.FullPath()]
	if name != "" && !isEncoded(name, c.Request.URL.RawQuery) {
		a.Fail(c, web.InputErrors{{Location: "query." + name, Message: "percent-encode " + name +
			", as encodeURIComponent(location.href) does; the query must have nothing else"}})
	}
}

// isEncoded reports whether query can be the parameter name with an address that was
// encoded as a whole. What has an escape and still a plain "://" was not encoded; %25 is
// the exception, because encodeURI makes it.
func isEncoded(name, query string) bool {
	text := strings.TrimPrefix(query, name+"=")
	address, err := url.QueryUnescape(text)
	plain := strings.Contains(text, "://") && strings.Contains(strings.ReplaceAll(text, "%25", ""), "%")
	return err == nil && !plain && !strings.ContainsAny(text, "&;") && !strings.Contains(address, " ")
}
