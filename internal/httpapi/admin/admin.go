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
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/staff"
)

// maxBody bounds request bodies, in bytes.
const maxBody = 8 << 20

// Common are the settings that both listeners have in common.
type Common = web.Options

// Options are the settings of the operator's listener.
type Options struct {
	Common
	Metrics prometheus.Gatherer
	// AdminToken opens every route: it is the owner's.
	AdminToken string
	// Refused is called for each request with a token that opens nothing. It may be nil.
	Refused func()
	// TicketToken opens the shared tickets and nothing else; empty opens nothing.
	TicketToken string
	// TrustedProxies are the addresses and networks of proxies whose
	// X-Forwarded-For names the client. They must be valid.
	TrustedProxies []string
	// Pages adds the pages of the console; see package console. It may be nil.
	Pages func(*web.Listener)
	// Prefix is where a reverse proxy serves this listener, or "": /shop, for example.
	// It may be a part of a request's path or not.
	Prefix string
	// Zone is the shop's time zone, in which days begin; nil is UTC.
	Zone *time.Location
}

type api struct {
	Services
	*web.Listener
	adminToken, ticketToken string
	proxies                 web.Proxies
	crossOrigin             *http.CrossOriginProtection
	guesses                 *guesses
	zone                    *time.Location
}

// New returns the server of the operator's API. The caller serves and shuts it
// down.
func New(s Services, o Options) *http.Server {
	o.Reads = make(chan struct{}, cap(o.InFlight)) // a database that cannot be written may be read
	o.Audit = s.Audit
	a := &api{
		Services: s, Listener: web.New(web.Admin, o.Common), adminToken: o.AdminToken, ticketToken: o.TicketToken,
		proxies: web.ParseProxies(o.TrustedProxies), crossOrigin: http.NewCrossOriginProtection(),
		guesses: newGuesses(o.Log, o.Refused), zone: cmp.Or(o.Zone, time.UTC),
	}
	a.Use(a.Restrict(a.prove), a.CheckQuery)
	a.ServeJSON("addcard admin", "The operator's API; every call needs the ADMIN_TOKEN or a token of the staff.", maxBody)
	a.imageRoute()
	a.describeImageRoute()
	a.explainRoute()
	a.cardRoutes()
	a.cardSettingRoutes()
	a.distributionRoutes()
	a.memberRoutes()
	a.timelineRoute()
	a.ledgerRoutes()
	a.journalRoutes()
	a.batchRoute()
	a.importRoutes()
	a.outboxRoutes()
	a.ticketRoutes()
	a.staffRoutes()
	a.webhookRoutes()
	a.auditRoutes()
	a.settingsRoutes()
	a.statisticsRoute()
	a.checksRoute()
	a.debugRoutes(o.Metrics)
	if o.Pages != nil {
		o.Pages(a.Listener)
	}
	server := a.Server()
	server.Handler = stripPrefix(o.Prefix, server.Handler)
	return server
}

// prove finds out who sent a request: the owner, a person of the staff, or a ticket
// reader.
func (a *api) prove(c *gin.Context) (web.Role, error) {
	if p := web.PrincipalOf(c.Request.Context()); p.Role != "" { // a page of the console calls the API
		return p.Role, nil
	}
	token := web.BearerToken(c.Request.Header)
	client := a.proxies.Client(c.Request)
	p := web.Principal{Address: client.String()}
	session := web.Session(c.Request, a.proxies.Secure(c.Request))
	switch {
	case sameToken(token, a.adminToken):
		p.Role, p.ID, p.Name = web.Owner, staff.OwnerID, staff.OwnerID
	case sameToken(token, a.ticketToken):
		p.Role, p.Name = web.TicketReader, string(web.TicketReader)
	default:
		kind, secret := staff.Token, token
		if p.Console = session != "" && c.GetHeader("Authorization") == ""; p.Console {
			kind, secret = staff.Session, session
			if a.crossOrigin.Check(c.Request) != nil {
				return "", web.CrossOrigin.Err()
			}
		}
		who, err := a.Staff.Identify(c.Request.Context(), kind, secret)
		if errors.Is(err, staff.ErrUnknown) {
			err = a.guesses.refuse(c.Request, client, secret)
		}
		if err != nil {
			return "", err
		}
		p.Role, p.ID, p.Name = web.Role(who.Role), who.PersonID, who.Name
	}
	c.Request = c.Request.WithContext(web.WithPrincipal(c.Request.Context(), p))
	return p.Role, nil
}

// stripPrefix serves a path with the prefix as the one without it.
func stripPrefix(prefix string, h http.Handler) http.Handler {
	if prefix == "" {
		return h
	}
	stripped := http.StripPrefix(prefix, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == prefix || strings.HasPrefix(r.URL.Path, prefix+"/") {
			if r.URL.Path == prefix {
				http.Redirect(w, r, prefix+"/", http.StatusPermanentRedirect)
				return
			}
			stripped.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
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
