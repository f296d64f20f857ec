package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// publicBody and adminBody bound request bodies, in bytes.
	publicBody = 64 << 10
	adminBody  = 8 << 20
	// requestTime bounds the work on one request; the server's write timeout
	// is a little longer, so that the answer still gets out.
	requestTime = 12 * time.Second
	// maxInFlight bounds the requests being worked on. More would only wait
	// for the same two resources, the CPU and the database, and hold memory.
	maxInFlight = 1024
)

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// identify gives each request an ID and a deadline.
func identify(c *gin.Context) {
	id := uuid.NewString()
	ctx, cancel := context.WithTimeout(context.WithValue(c.Request.Context(), requestIDKey{}, id), requestTime)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Header("X-Request-Id", id)
	c.Next()
}

// guard sets the headers that keep an answer from being cached, sniffed or
// rendered; the docs page replaces the last.
func guard(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'")
	c.Next()
}

// observe writes one log line and one measurement per request. It names the
// route's pattern: a path or query can hold a code or an openid.
func observe(log *slog.Logger, seconds *prometheus.HistogramVec) gin.HandlerFunc {
	return func(c *gin.Context) {
		began := time.Now()
		c.Next()
		took, route, status := time.Since(began), c.FullPath(), c.Writer.Status()
		if route == "" {
			route = "unmatched"
		}
		method := c.Request.Method
		switch method {
		case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions:
		default:
			method = "other" // a client may invent as many as it likes
		}
		seconds.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
		ctx := c.Request.Context()
		log.LogAttrs(ctx, slog.LevelInfo, "request", slog.String("route", route), slog.String("method", method),
			slog.Int("status", status), slog.Duration("took", took), slog.String("request_id", requestID(ctx)))
	}
}

// recovered answers a panic with 500 and keeps the process alive.
func recovered(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if err, ok := r.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(r)
			}
			ctx := c.Request.Context()
			log.ErrorContext(ctx, "panic", "panic", r, "stack", string(debug.Stack()), "request_id", requestID(ctx))
			if !c.Writer.Written() {
				fail(c, newProblem(ctx, internalError))
			}
		}()
		c.Next()
	}
}

// shed refuses what would only queue.
func shed(c *gin.Context, slots chan struct{}) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
		c.Next()
	default:
		p := newProblem(c.Request.Context(), serviceUnavailable)
		p.retryAfter = time.Second
		fail(c, p)
	}
}

// limitAddress refuses an address that asks too often.
func limitAddress(l *limiter) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !l.allow(addressKey(c.ClientIP())) {
			fail(c, newProblem(c.Request.Context(), rateLimited))
			return
		}
		c.Next()
	}
}

// onceEach refuses a query that says a thing twice, or that readers may take in
// different ways: which of two values counts must not depend on who looks.
func onceEach(c *gin.Context) {
	if wrong := queryErrors(c.Request.URL.RawQuery); len(wrong) > 0 {
		p := newProblem(c.Request.Context(), invalidInput)
		p.Errors = wrong
		fail(c, p)
		return
	}
	c.Next()
}

func queryErrors(query string) (wrong []FieldError) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return []FieldError{{"query", "is malformed"}}
	}
	for name, given := range values {
		if len(given) > 1 {
			wrong = append(wrong, FieldError{"query." + shorten(name), "is given more than once"})
		}
	}
	return wrong
}

// readBody reads the whole body before anything looks at it, so that a body
// that is cut, too large or too slow is the client's error and not ours.
func readBody(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		r := c.Request
		if r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodGet {
			c.Next()
			return
		}
		var buf bytes.Buffer
		if r.ContentLength > 0 && r.ContentLength <= limit {
			buf.Grow(int(r.ContentLength) + bytes.MinRead)
		}
		_, err := buf.ReadFrom(http.MaxBytesReader(c.Writer, r.Body, limit))
		if k, ok := bodyProblem(err); ok {
			fail(c, newProblem(r.Context(), k))
			return
		}
		if buf.Len() > 0 && !isJSON(r.Header) {
			fail(c, newProblem(r.Context(), unsupportedMedia))
			return
		}
		r.Header.Set("Content-Type", "application/json") // however it was spelt
		r.Body = io.NopCloser(&buf)
		c.Next()
	}
}

func bodyProblem(err error) (kind, bool) {
	if err == nil {
		return kind{}, false
	}
	var large *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &large):
		return bodyTooLarge, true
	case errors.As(err, &network) && network.Timeout():
		return requestTimeout, true
	}
	return malformedBody, true
}

func isJSON(h http.Header) bool {
	media, params, err := mime.ParseMediaType(strings.Join(h.Values("Content-Type"), ",")) // two are none
	charset, given := params["charset"]
	encoding := h.Get("Content-Encoding")
	return err == nil && media == "application/json" && (!given || strings.EqualFold(charset, "utf-8")) &&
		(encoding == "" || strings.EqualFold(encoding, "identity"))
}

// fail ends the request with a problem.
func fail(c *gin.Context, p *Problem) {
	h := c.Writer.Header()
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	h.Set("Content-Type", p.ContentType(""))
	c.Status(p.Status)
	_ = strictJSON.Marshal(c.Writer, p) // the client has gone if this fails
	c.Abort()
}
