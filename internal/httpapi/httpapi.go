// Package httpapi is addcard's two HTTP listeners: the public one that
// mini-programs and WeChat call, and the operator's one. It decodes a request,
// calls one service, encodes the answer, and turns errors into problems by one
// table (problem.go).
//
// It decides nothing about members, cards or tickets, and it is the only
// package that knows gin and huma.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/member"
)

// Sessions is what the API needs of package auth.
type Sessions interface {
	Login(ctx context.Context, code string) (token string, s auth.Session, err error)
	Verify(token string) (auth.Session, error)
	Logout(ctx context.Context, s auth.Session) error
}

// Members is what the API needs of package member.
type Members interface {
	Cards(ctx context.Context, memberID string) ([]member.Card, error)
}

// Catalogue is what the API needs of package card.
type Catalogue interface {
	Get(ctx context.Context, cardID string) (card.Card, error)
}

// CardLists is what the API needs of package cardlist.
type CardLists interface {
	Make(ctx context.Context, memberID string, wants []cardlist.Request) ([]cardlist.Item, error)
	Claim(ctx context.Context, memberID string, claimed []cardlist.Added) ([]member.Card, error)
	Explain(ctx context.Context, cardID, cardExt string, facts cardext.Facts) (cardext.Report, error)
}

// Pushes takes in what WeChat pushes. Neither method calls anybody outside.
type Pushes interface {
	// Echo returns what the GET check of the callback URL wants to read; false
	// when WeChat did not send it.
	Echo(query url.Values) (string, bool)
	// Receive keeps a push durably. It returns false for one that WeChat did
	// not send, and an error when an authentic one could not be kept.
	Receive(ctx context.Context, query url.Values, body []byte) (bool, error)
}

// Services are the capabilities behind the routes.
type Services struct {
	Sessions  Sessions
	Members   Members
	People    People
	Ledger    Ledger
	Outbox    Outbox
	Catalogue Catalogue
	Operator  Operator
	OpenCards OpenCards
	Pages     Pages
	Forms     Forms
	CardLists CardLists
	Pushes    Pushes
	Tickets   Tickets
	// Ready returns why the service cannot be used now, or nil.
	Ready func(ctx context.Context) error
}

// Options are the settings of both listeners.
type Options struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Version string

	AdminToken string
	// TicketToken opens the shared tickets and nothing else; empty opens nothing.
	TicketToken string
	// RatePerMember and RatePerAddress are requests per second on the public
	// listener; 0 means no limit.
	RatePerMember, RatePerAddress int
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []string
}

// API makes the handlers of the two listeners.
type API struct {
	Services
	Options
	seconds *prometheus.HistogramVec
	slots   chan struct{}
	members *limiter
}

// New returns an API. TrustedProxies must have been checked.
func New(s Services, o Options) *API {
	configureHuma()
	return &API{
		Services: s, Options: o,
		slots:   make(chan struct{}, maxInFlight),
		members: newLimiter(o.RatePerMember),
		seconds: promauto.With(o.Metrics).NewHistogramVec(prometheus.HistogramOpts{
			Name: "addcard_http_request_seconds", Help: "Time to answer a request, by route, method and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
	}
}

// configureHuma sets what huma keeps in package variables: member names are
// compared exactly, and every error it makes itself is a Problem.
var configureHuma = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return humaProblem(context.Background(), status, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		return humaProblem(ctx.Context(), status, errs)
	}
})

// Public returns the handler of the public listener.
func (a *API) Public() http.Handler {
	e := a.engine()
	a.callbackRoutes(e) // WeChat pushes from few addresses, and no JSON
	e.Use(limitAddress(newLimiter(a.RatePerAddress)), onceEach, readBody(publicBody))
	api := humagin.New(e, config("addcard", a.Version, "The public API: what a mini-program calls."))
	a.sessionRoutes(api)
	a.cardRoutes(api)
	a.claimRoute(api)
	a.openCardRoutes(api)
	a.myEntriesRoute(api)
	describeCallback(api)
	a.healthRoutes(api)
	docs(e, "addcard")
	return e
}

// Admin returns the handler of the operator's listener.
func (a *API) Admin() http.Handler {
	e := a.engine()
	e.Use(a.adminOnly, onceEach)
	a.imageRoute(e) // takes what is no JSON
	e.Use(readBody(adminBody))
	api := humagin.New(e, config("addcard admin", a.Version, "The operator's API; every call needs the ADMIN_TOKEN."))
	a.explainRoute(api)
	a.operatorRoutes(api)
	describeImages(api)
	a.memberRoutes(api)
	a.ledgerRoutes(api)
	a.outboxRoutes(api)
	a.ticketRoutes(api)
	a.healthRoutes(api)
	a.operations(e)
	docs(e, "addcard admin")
	return e
}

// engine is gin with its defaults made strict: no redirects, 405 instead of
// 404, no proxy believed unless named.
func (a *API) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	if err := e.SetTrustedProxies(a.TrustedProxies); err != nil {
		panic(err) // configuration was checked
	}
	e.NoRoute(func(c *gin.Context) { fail(c, newProblem(c.Request.Context(), notFound)) })
	e.NoMethod(func(c *gin.Context) { fail(c, newProblem(c.Request.Context(), methodNotAllowed)) })
	e.Use(identify, observe(a.Log, a.seconds), recovered(a.Log), guard, func(c *gin.Context) { shed(c, a.slots) })
	return e
}

func config(title, version, about string) huma.Config {
	c := huma.DefaultConfig(title, version)
	c.Info.Description = about + " Errors are application/problem+json (RFC 9457); compare their `code`."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	c.DocsPath, c.SchemasPath = "", "" // huma's own pages load scripts from elsewhere
	c.CreateHooks = nil                // no $schema member in answers
	return c
}

// route registers one operation; errors of its handler go through the table.
func route[I, O any](a *API, api huma.API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1 // readBody has done both
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, a.Log, err)
		}
		return out, nil
	})
}

// Server returns an http.Server with the limits that a listener on the
// Internet needs. The caller serves and shuts it down.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      requestTime + 3*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what a client's TCP did
	}
}
