package web_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// A route that the access table does not have does not start.
func TestAccess_ARouteWithoutARowDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nope", "/v1/nope", "/v1/members/:id/nope", "/healthz/x"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s starts", path)
				}
			}()
			l := web.New(web.Admin, web.Options{})
			l.GET(path, func(*gin.Context) {})
			l.Server()
		}()
	}
}

// Each audience for each path: an open route asks for no proof, an unknown path of the
// operator's listener does.
func TestAccess_IsAskedForBeforeTheRoute(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		audience web.Audience
		path     string
		role     web.Role
		want     int
	}{
		"open":                        {web.Admin, "/healthz", "", 200},
		"allowed":                     {web.Admin, "/v1/members", web.Cashier, 200},
		"forbidden":                   {web.Admin, "/v1/audit", web.Cashier, 403},
		"nobody":                      {web.Admin, "/v1/members", "", 401},
		"a role of nothing":           {web.Admin, "/v1/members", "x", 403},
		"an unknown path, nobody":     {web.Admin, "/v1/x", "", 401},
		"an unknown path":             {web.Admin, "/v1/x", web.Cashier, 404},
		"a member":                    {web.Public, "/v1/me", web.Member, 200},
		"staff at a member's":         {web.Public, "/v1/me", web.Owner, 403},
		"an unknown path, of members": {web.Public, "/v1/x", "", 404},
	} {
		l := web.New(c.audience, web.Options{
			Log: slog.New(slog.DiscardHandler), Observe: func(string, string, int, time.Duration) {}, InFlight: make(chan struct{}, 1),
		})
		l.Use(l.Restrict(func(*gin.Context) (web.Role, error) {
			if c.role == "" {
				return "", web.AdminTokenInvalid.Err()
			}
			return c.role, nil
		}))
		if c.path != "/v1/x" {
			l.GET(c.path, func(c *gin.Context) { c.Status(http.StatusOK) })
		}
		l.Server()
		w := httptest.NewRecorder()
		if l.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil)); w.Code != c.want {
			t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, c.want)
		}
	}
}
