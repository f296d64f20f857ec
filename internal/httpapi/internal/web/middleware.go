package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/httpapi/conns"
	"github.com/addcard/addcard/internal/sqldb"
)

// requestTime bounds the work on one request. The server's write timeout is a
// little longer, so that the answer can still be sent.
const requestTime = 12 * time.Second

// databaseTime bounds what a request waits for the database, in all. A request that
// needs nothing else must be answered within five seconds.
const databaseTime = 4 * time.Second

type requestIDKey struct{}

// RequestID returns the ID of the request that ctx belongs to.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// holdConn says that while the request is handled, the connection does not wait for
// its client, unless a later handler says so.
func holdConn(c *gin.Context) {
	conn := conns.Of(c.Request.Context())
	conn.Work()
	defer func() {
		if c.Writer.Status() < http.StatusBadRequest {
			conn.Rest()
		} else {
			conn.Wait() // perhaps for the rest of a body, and it has proved nothing
		}
		// A client that sends many requests at once would be answered until it has sent
		// no more, because nothing blocks: the others come in between.
		runtime.Gosched()
	}()
	c.Next()
}

// addRequestID gives each request an ID and a deadline.
func addRequestID(c *gin.Context) {
	id := uuid.NewString()
	ctx, cancel := context.WithTimeout(context.WithValue(c.Request.Context(), requestIDKey{}, id), requestTime)
	defer cancel()
	c.Request = c.Request.WithContext(sqldb.Together(ctx, databaseTime))
	c.Header("X-Request-Id", id)
	c.Next()
}

// Detach returns a context for work that takes longer than a request may: it does
// not end with ctx, and only each call of the database by itself is bounded.
func Detach(ctx context.Context) context.Context {
	return sqldb.Each(context.WithoutCancel(ctx), databaseTime)
}

// Apart returns a context for many calls of the database that run at once: each by
// itself is bounded, instead of all together. It ends with ctx.
func Apart(ctx context.Context) context.Context { return sqldb.Each(ctx, databaseTime) }

// setSecurityHeaders keeps an answer from being cached, sniffed or rendered.
// The documentation page replaces the first and the last header.
func setSecurityHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'")
	c.Next()
}

// maxLines bounds the lines of the log in a second, and at once, about requests that
// are refused as the client's fault. A client that proves nothing could fill the disk.
const maxLines = 100

// logRequest writes one measurement and, unless maxLines forbids it, one log line for
// each request. They name the route's pattern, because a path or query can hold a code
// or an openid.
func (l *Listener) logRequest(c *gin.Context) {
	began := time.Now()
	c.Next()
	took, route, method, status := time.Since(began), routeOf(c), methodOf(c.Request), c.Writer.Status()
	l.options.Observe(route, method, status, took)
	if status >= 400 && status < 500 && !l.lines.Allow() {
		l.unwritten.count(l.options.Log, "requests refused: too many for a line of each")
		return
	}
	ctx := c.Request.Context()
	l.options.Log.LogAttrs(ctx, slog.LevelInfo, "request", slog.String("route", route), slog.String("method", method),
		slog.Int("status", status), slog.Duration("took", took), slog.String("request_id", RequestID(ctx)))
}

func routeOf(c *gin.Context) string { return cmp.Or(c.FullPath(), "unmatched") }

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return r.Method
	}
	return "other" // clients could invent any number of label values
}

// recoverPanic answers a panic with 500 and keeps the process alive.
func (l *Listener) recoverPanic(c *gin.Context) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if err, ok := r.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(r)
		}
		ctx := c.Request.Context()
		l.options.Log.ErrorContext(ctx, "panic", "panic", r, "stack", string(debug.Stack()), "request_id", RequestID(ctx))
		if !c.Writer.Written() {
			l.Fail(c, Internal.Err())
		}
	}()
	c.Next()
}

// CheckQuery refuses a query that is malformed or has a parameter twice:
// parsers differ in which of the two values they use. It also refuses a query or
// a path that is no text: PostgreSQL returns an error for it.
func (l *Listener) CheckQuery(c *gin.Context) {
	if !isText(c.Request.URL.Path) {
		l.Fail(c, NotFound.Err())
		return
	}
	if wrong := queryErrors(c.Request.URL.RawQuery); len(wrong) > 0 {
		l.Fail(c, wrong)
		return
	}
	c.Next()
}

// maxParameters is many times what a route takes. More are not even parsed.
const maxParameters = 32

func queryErrors(query string) (wrong InputErrors) {
	if strings.Count(query, "&") >= maxParameters {
		return InputErrors{{"query", "has too many parameters"}}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return InputErrors{{"query", "is malformed"}}
	}
	for name, given := range values {
		if len(given) > 1 {
			wrong = append(wrong, FieldError{"query." + shorten(name), "is given more than once"})
		} else if !isText(given[0]) {
			wrong = append(wrong, FieldError{"query." + shorten(name), "is not UTF-8, or has a NUL"})
		}
	}
	return wrong
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// maxToken is many times the length of a session token, in bytes.
const maxToken = 4096

// BearerToken returns the token of the one Authorization header. It returns ""
// for no header, for more than one, for another scheme, and for a token that is
// longer than any.
func BearerToken(h http.Header) string {
	given := h.Values("Authorization")
	if len(given) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken {
		return ""
	}
	return token
}
