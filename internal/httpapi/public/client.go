package public

import (
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ration"
)

// nameClient notes on whose behalf the request's calls to WeChat are: the member's, if
// it has a valid session, even on a route that needs none; else its address's.
func (a *api) nameClient(c *gin.Context) {
	client := ration.Client{Kind: ration.Anonymous, Key: a.addressKey(c)}
	if token := web.BearerToken(c.Request.Header); token != "" {
		if s, err := a.Sessions.Verify(token); err == nil {
			client = ration.Client{Kind: ration.Member, Key: s.MemberID}
		}
	}
	c.Request = c.Request.WithContext(ration.WithClient(c.Request.Context(), client))
}
