// Package admin is the operator's HTTP API, with metrics and profiles for the
// engineer. It decodes a request, calls one service and encodes the answer.
//
// It decides nothing about members, cards or tickets. It is the only package
// that has the ADMIN_TOKEN and the TICKET_TOKEN, and it serves no route of the
// public API.
package admin

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// maxBody bounds request bodies, in bytes.
const maxBody = 8 << 20

// Common are the settings that both listeners have in common.
type Common = web.Options

// Options are the settings of the operator's listener.
type Options struct {
	Common
	Metrics prometheus.Gatherer
	// AdminToken opens every route.
	AdminToken string
	// Refused is called for each request with a token that opens nothing. It may be nil.
	Refused func()
	// TicketToken opens the shared tickets and nothing else; empty opens nothing.
	TicketToken string
	// Zone is the shop's time zone, in which days begin; nil is UTC.
	Zone *time.Location
}

type api struct {
	Services
	*web.Listener
	adminToken, ticketToken string
	guesses                 *guesses
	zone                    *time.Location
}

// New returns the server of the operator's API. The caller serves and shuts it
// down.
func New(s Services, o Options) *http.Server {
	o.Reads = make(chan struct{}, cap(o.InFlight)) // a database that cannot be written may be read
	a := &api{s, web.New(web.Admin, o.Common), o.AdminToken, o.TicketToken, newGuesses(o.Log, o.Refused), cmp.Or(o.Zone, time.UTC)}
	a.Use(a.requireToken, a.CheckQuery)
	a.ServeJSON("addcard admin", "The operator's API; every call needs the ADMIN_TOKEN.", maxBody)
	a.imageRoute()
	a.describeImageRoute()
	a.explainRoute()
	a.cardRoutes()
	a.cardSettingRoutes()
	a.distributionRoutes()
	a.memberRoutes()
	a.ledgerRoutes()
	a.outboxRoutes()
	a.ticketRoutes()
	a.debugRoutes(o.Metrics)
	return a.Server()
}

// requireToken refuses a request without the ADMIN_TOKEN, or for the shared
// tickets the TICKET_TOKEN. Health and the description of the API are open to
// all.
func (a *api) requireToken(c *gin.Context) {
	path, token := c.Request.URL.Path, web.BearerToken(c.Request.Header)
	open := path == web.LivePath || path == web.ReadyPath || strings.HasPrefix(path, "/openapi") || path == "/docs" ||
		strings.HasPrefix(path, "/docs/")
	switch {
	case open:
		c.Next()
	case sameToken(token, a.adminToken):
		a.serveAs(c, web.Principal{Role: web.Owner, Name: "owner"})
	case strings.HasPrefix(path, ticketsPath) && sameToken(token, a.ticketToken):
		a.serveAs(c, web.Principal{Role: web.TicketReader, Name: "ticket reader"})
	default:
		a.Fail(c, a.guesses.refuse(c.Request, token))
	}
}

func (a *api) serveAs(c *gin.Context, p web.Principal) {
	c.Request = c.Request.WithContext(web.WithPrincipal(c.Request.Context(), p))
	c.Next()
}

// sameToken compares in constant time. Nothing is the same as an empty want.
func sameToken(given, want string) bool {
	g, w := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1 && want != ""
}

// jsonResponse describes a JSON answer that the handler encodes itself.
func jsonResponse[T any](a *api, status, about, name string) map[string]*huma.Response {
	schema := a.API.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, name)
	return map[string]*huma.Response{status: {Description: about, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}}
}
