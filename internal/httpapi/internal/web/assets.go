package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5/static"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

// asset is a file that does not change while the process runs. It is compressed
// once, and decompressed once if a client asks for that.
type asset struct {
	mediaType, etag string
	compressed      []byte
	plain           func() []byte
}

// newAsset returns the asset with this content, or with that of the gzip file
// compressed if it is not nil.
func newAsset(mediaType string, plain, compressed []byte) *asset {
	if compressed == nil {
		compressed = deflate(plain)
		return &asset{mediaType, etagOf(plain), compressed, func() []byte { return plain }}
	}
	return &asset{mediaType, etagOf(compressed), compressed, sync.OnceValue(func() []byte { return inflate(compressed) })}
}

func etagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func deflate(plain []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(plain) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

func inflate(compressed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil
	}
	plain, _ := io.ReadAll(r) // the files are embedded, and a test reads them all
	return plain
}

// ServeAsset serves a file that does not change while the process runs, to all.
func (l *Listener) ServeAsset(path, mediaType string, content []byte) {
	file := newAsset(mediaType, content, nil)
	l.Admit(http.MethodGet, path, Admission{Free: true})
	l.GET(path, func(c *gin.Context) {
		c.Header("Cache-Control", "max-age=300")
		file.serve(c)
	})
}

// serve answers with the asset, or with 304 if the client has it. All answers share
// the bytes, so that clients that do not read hold no memory.
func (a *asset) serve(c *gin.Context) {
	h := c.Writer.Header()
	content, etag := a.compressed, `"`+a.etag+`-gz"`
	if acceptsGzip(c.Request.Header) {
		h.Set("Content-Encoding", "gzip")
	} else {
		content, etag = nil, `"`+a.etag+`"`
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", etag)
	if strings.Contains(c.GetHeader("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		c.Status(http.StatusNotModified)
		return
	}
	if content == nil {
		content = a.plain()
	}
	conn := conns.Of(c.Request.Context())
	conn.Wait()
	defer conn.Work()
	c.Data(http.StatusOK, a.mediaType, content)
}

// acceptsGzip reports whether the client names gzip, without q=0.
func acceptsGzip(h http.Header) bool {
	for part := range strings.SplitSeq(h.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(q), "q="), 64)
			return q == "" || err == nil && weight > 0
		}
	}
	return false
}

// docsAssets are the files of the documentation page by name.
var docsAssets = sync.OnceValue(func() map[string]*asset {
	assets := map[string]*asset{}
	files, _ := fs.ReadDir(static.FS, ".") // embedded
	for _, file := range files {
		content, err := fs.ReadFile(static.FS, file.Name())
		if err != nil {
			continue // a directory
		}
		name, zipped := strings.CutSuffix(file.Name(), ".gz")
		mediaType := cmp.Or(mime.TypeByExtension(path.Ext(name)), "application/octet-stream")
		if zipped {
			assets[name] = newAsset(mediaType, nil, content)
		} else {
			assets[name] = newAsset(mediaType, content, nil)
		}
	}
	return assets
})
