package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

const (
	// bodyGrace is how long a body may take in any case.
	bodyGrace = 2 * time.Second
	// bodyTime bounds the reading of a whole body.
	bodyTime = 10 * time.Second
	// bodyRate is the least rate after bodyGrace, in bytes per second. The slowest
	// mobile networks have ten times as much.
	bodyRate = 1 << 10
	// smallBody and maxLarge are bytes. The bodies that are longer than smallBody, and are
	// read or worked on, have maxLarge in all: while one is worked on, it is in memory
	// about five times.
	smallBody = 64 << 10
	maxLarge  = 16 << 20
	// drainTime is how long the rest of a body is awaited that is not read. Most
	// have arrived, and then the connection can be used again.
	drainTime = 250 * time.Millisecond
)

// boundLargeBodies refuses a large body for which the others leave no memory. A body
// of unknown length may have limit bytes.
func (l *Listener) boundLargeBodies(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		size := min(c.Request.ContentLength, limit)
		if size < 0 {
			size = limit
		}
		if size <= smallBody || c.FullPath() == "" {
			return
		}
		if !l.large.TryAcquire(size) {
			l.Fail(c, Unavailable.Err())
			return
		}
		defer l.large.Release(size)
		c.Next()
	}
}

// readBody reads the whole body before a slot is taken, so that a body that is
// cut short, too large, too slow or no JSON is the client's error.
func (l *Listener) readBody(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		r, read := c.Request, l.admission(c).Read
		switch {
		case c.FullPath() == "": // no route
		case read != nil:
			read(c)
		case r.Method == http.MethodGet:
			RefuseBody(c)
		case r.Body != nil && r.Body != http.NoBody:
			if err := l.readJSON(c, limit); err != nil {
				l.Fail(c, err)
			}
		}
	}
}

func (l *Listener) readJSON(c *gin.Context, limit int64) error {
	body, err := KeepBody(c, limit)
	switch {
	case err != nil:
		return err
	case len(body) > 0 && !isJSON(c.Request.Header):
		return UnsupportedMedia.Err()
	}
	c.Request.Header.Set("Content-Type", "application/json") // in the one spelling that huma compares with
	if err := checkEncoding(body); err != nil {
		return err
	}
	return l.audience.checkValues(body)
}

// KeepBody reads the body of a request into memory, and leaves it in the request
// too. It fails for one that is longer than limit, too slow or cut short; the
// error is to be passed to Fail. A body is too slow if it takes longer than
// bodyGrace and comes at less than bodyRate.
func KeepBody(c *gin.Context, limit int64) ([]byte, error) {
	conn := conns.Of(c.Request.Context())
	conn.Wait()
	defer conn.Work()
	r := &pacedReader{Reader: http.MaxBytesReader(c.Writer, c.Request.Body, limit), began: time.Now(),
		control: http.NewResponseController(c.Writer)}
	var buf bytes.Buffer
	if n := c.Request.ContentLength; n > 0 && n <= limit {
		buf.Grow(int(min(n, maxGrowth)) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(r)
	var large *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &large):
		return nil, BodyTooLarge.Err()
	case errors.As(err, &network) && network.Timeout():
		c.Header("Connection", "close")
		return nil, RequestTimeout.Err()
	case err != nil:
		return nil, MalformedBody.Err()
	}
	r.setDeadline(time.Time{})
	c.Request.Body = io.NopCloser(bytes.NewReader(buf.Bytes()))
	return buf.Bytes(), nil
}

// maxGrowth bounds the memory that is taken for a body before it has come.
const maxGrowth = 64 << 10

// pacedReader fails with a timeout when its client is too slow.
type pacedReader struct {
	io.Reader
	control *http.ResponseController
	began   time.Time
	read    int
}

// Read implements io.Reader.
func (p *pacedReader) Read(b []byte) (int, error) {
	allowed := bodyGrace + time.Duration(p.read)*(time.Second/bodyRate)
	p.setDeadline(p.began.Add(min(allowed, bodyTime)))
	n, err := p.Reader.Read(b)
	p.read += n
	return n, err
}

// setDeadline does nothing without a connection, as in some tests.
func (p *pacedReader) setDeadline(t time.Time) { _ = p.control.SetReadDeadline(t) }

// RefuseBody has the server wait only a moment for a body that is not read, before
// it answers and closes the connection.
func RefuseBody(c *gin.Context) {
	if b := c.Request.Body; b != nil && b != http.NoBody {
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(drainTime))
	}
}

func isJSON(h http.Header) bool {
	media, params, err := mime.ParseMediaType(strings.Join(h.Values("Content-Type"), ",")) // two do not parse
	charset, given := params["charset"]
	encoding := h.Get("Content-Encoding")
	return err == nil && media == "application/json" && (!given || strings.EqualFold(charset, "utf-8")) &&
		(encoding == "" || strings.EqualFold(encoding, "identity"))
}

// checkEncoding refuses a body that is not UTF-8, and names what it seems to be.
func checkEncoding(body []byte) error {
	switch {
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return MalformedBody.WithDetail("The request body is UTF-16; it must be UTF-8.").Err()
	case bytes.HasPrefix(body, []byte("\ufeff")):
		return MalformedBody.WithDetail("The request body begins with a byte order mark (BOM); save it as UTF-8 without one.").Err()
	case !utf8.Valid(body):
		return MalformedBody.WithDetail("The request body is not UTF-8; if it is in GBK, save it as UTF-8.").Err()
	}
	return nil
}
