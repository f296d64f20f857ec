package public

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// allowPages lets the shop's web pages read the answers of the API, which is on another
// host. Others cannot; a session is in a header and never in a cookie, so a page of
// another site has none to send. Mini-programs send no Origin.
func (a *api) allowPages(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if origin == "" || !strings.HasPrefix(c.Request.URL.Path, "/v1/") {
		return
	}
	h := c.Writer.Header()
	h.Add("Vary", "Origin")
	if a.isPage(origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
	}
}

func (a *api) isPage(origin string) bool {
	return strings.Count(origin, "/") == 2 && a.Pages.Allows(origin+"/")
}

// answerPreflight answers the question of a browser whether a page may send a request.
func (a *api) answerPreflight(c *gin.Context) {
	asked := c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != ""
	h := c.Writer.Header()
	if !asked || h.Get("Access-Control-Allow-Origin") == "" {
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	h.Set("Access-Control-Max-Age", "7200") // seconds; browsers allow no more
	c.AbortWithStatus(http.StatusNoContent)
}
