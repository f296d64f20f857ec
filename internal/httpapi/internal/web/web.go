// Package web holds what the public and the operator's listener share: the
// router and its middleware, strict JSON, the one table that turns errors into
// problems, the health routes, the documentation page, and the shapes that both
// APIs answer with.
//
// It has no route of either API, calls no service but the readiness check, and
// holds no secret. Together with the two packages that use it, it is the only
// code that imports gin and huma.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

// Options are the settings that both listeners have in common.
type Options struct {
	Log     *slog.Logger
	Version string
	// InFlight bounds by its capacity the requests that are worked on at once for
	// the routes without slots of their own; see Admission.
	InFlight chan struct{}
	// Reads is InFlight for GET, so that what is written to a database that stalls
	// leaves the reads in service; nil is InFlight.
	Reads chan struct{}
	// Observe is called once for each request, with the pattern of its route.
	Observe func(route, method string, status int, elapsed time.Duration)
	// Ready returns why the service cannot be used now, or nil.
	Ready func(ctx context.Context) error
	// Audit records the requests of those routes that the access table says. It may be
	// nil where no route is recorded.
	Audit Recorder
}

// Audience is the kind of client that a listener serves.
type Audience int

// The audiences.
const (
	Public Audience = iota // mini-programs and WeChat
	Admin                  // the operator
)

// Listener is the router of one listener and the JSON API on it.
type Listener struct {
	*gin.Engine
	// API is nil until ServeJSON.
	API        huma.API
	audience   Audience
	options    Options
	admissions map[routeKey]Admission
	accesses   map[routeKey]Access // of all routes, set by Server
	gate       *gate
	large      *semaphore.Weighted // bytes of large bodies
	refused    tally               // by refuse
	lines      *rate.Limiter
	unwritten  tally // by logRequest
}

// New returns a Listener without routes: every request gets 404.
//
// gin's defaults are made strict: no redirects, 405 for a wrong method, and no
// address of a client taken from a header.
func New(a Audience, o Options) *Listener {
	configureHuma()
	gin.SetMode(gin.ReleaseMode)
	l := &Listener{Engine: gin.New(), audience: a, options: o, admissions: map[routeKey]Admission{},
		accesses: map[routeKey]Access{}, gate: newGate(cap(o.InFlight)),
		large: semaphore.NewWeighted(maxLarge), lines: rate.NewLimiter(maxLines, maxLines)}
	l.HandleMethodNotAllowed = true
	l.RedirectTrailingSlash = false
	l.ForwardedByClientIP = false
	l.NoRoute(func(c *gin.Context) { l.Fail(c, NotFound.Err()) })
	l.NoMethod(func(c *gin.Context) { l.Fail(c, MethodNotAllowed.Err()) })
	l.Use(holdConn, l.refuseExcess, addRequestID, l.logRequest, l.recoverPanic, setSecurityHeaders)
	return l
}

// configureHuma sets huma's package variables: field names are compared
// exactly, and each error that huma makes itself is a Problem.
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

// ServeJSON creates the API. Routes that are registered afterwards take what
// their Admission reads, by default JSON bodies of at most maxBody bytes and
// nothing else, and work on them in a slot.
func (l *Listener) ServeJSON(title, about string, maxBody int64) {
	l.Use(l.boundLargeBodies(maxBody), l.readBody(maxBody), l.waitForTurn, l.takeSlot)
	c := huma.DefaultConfig(title, l.options.Version)
	c.Info.Description = about + " Errors are application/problem+json (RFC 9457); compare their `code`."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // huma's own pages load scripts from other hosts
	c.CreateHooks = nil                                   // no $schema field in answers
	l.API = humagin.New(l.Engine, c)
	l.healthRoutes()
	l.docsRoutes(title)
}

// Route registers one operation. Errors of its handler go through the error table. Who
// may call it, and whether the audit log has it, is in the access table.
func Route[I, O any](l *Listener, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1 // readBody has done both
	access, _ := accessTo(l.audience, op.Method, op.Path)
	if !access.Open() {
		op.Security = BearerAuth
		op.Errors = append(op.Errors, http.StatusUnauthorized)
		if l.audience == Admin {
			op.Errors = append(op.Errors, http.StatusForbidden)
		}
	}
	if access.recorded {
		op.Middlewares = append(op.Middlewares, keepTarget)
	}
	huma.Register(l.API, op, func(ctx context.Context, in *I) (*O, error) {
		if access.recorded {
			return Recorded(ctx, l, op.OperationID, func(ctx context.Context) (*O, error) { return handle(ctx, in) })
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, l.Problem(ctx, err)
		}
		return out, nil
	})
}

// Nothing is an input without parameters or an answer without a body.
type Nothing struct{}

// BearerAuth is the security requirement of an operation that needs a token.
var BearerAuth = []map[string][]string{{"bearer": {}}}

// Log returns the listener's logger.
func (l *Listener) Log() *slog.Logger { return l.options.Log }

// Server returns an http.Server with the limits that a listener on the
// Internet needs. The caller serves and shuts it down. It panics if the access table
// has no row for a route.
func (l *Listener) Server() *http.Server {
	l.checkAccess()
	return &http.Server{
		Handler:           l,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      requestTime + 3*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       conns.NewContext,
		ErrorLog:          newErrorLog(l.options.Log),

		DisableGeneralOptionsHandler: true, // OPTIONS * would be answered without limits
	}
}
