package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5emb"
)

// docsRoutes serve the description of the API and a page that shows it. All
// assets are embedded, and each is rendered and compressed once.
func (l *Listener) docsRoutes(title string) {
	get := func(path string, handle gin.HandlerFunc) {
		l.Admit(http.MethodGet, path, Admission{Free: true})
		l.GET(path, handle)
	}
	for path, render := range map[string]func() ([]byte, error){
		"/openapi.json":     func() ([]byte, error) { return json.Marshal(l.API.OpenAPI()) },
		"/openapi-3.0.json": func() ([]byte, error) { return l.API.OpenAPI().Downgrade() },
		"/openapi.yaml":     func() ([]byte, error) { return l.API.OpenAPI().YAML() },
		"/openapi-3.0.yaml": func() ([]byte, error) { return l.API.OpenAPI().DowngradeYAML() },
	} {
		mediaType := "application/openapi+" + path[strings.LastIndexByte(path, '.')+1:]
		rendered := sync.OnceValues(func() (*asset, error) { // at the first request: routes are still to come
			text, err := render()
			return newAsset(mediaType, text, nil), err
		})
		get(path, func(c *gin.Context) {
			document, err := rendered()
			if err != nil {
				l.Fail(c, err)
				return
			}
			document.serve(c)
		})
	}
	page := sync.OnceValue(func() *asset { return renderPage(title) })
	get("/docs", func(c *gin.Context) { c.Redirect(http.StatusMovedPermanently, "/docs/") })
	get("/docs/*asset", func(c *gin.Context) {
		name := strings.TrimPrefix(c.Param("asset"), "/")
		file := docsAssets()[name]
		if name == "" {
			file = page()
		}
		if file == nil {
			l.Fail(c, NotFound.Err())
			return
		}
		c.Header("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; "+
			"script-src 'self' 'unsafe-inline'; img-src 'self' data:")
		c.Header("Cache-Control", "max-age=3600")
		file.serve(c)
	})
}

// renderPage returns the page that shows the description of the API.
func renderPage(title string) *asset {
	var text answerText
	r, _ := http.NewRequest(http.MethodGet, "/docs/", nil) //nolint:noctx // it is not sent
	v5emb.New(title, "/openapi.json", "/docs/").ServeHTTP(&text, r)
	return newAsset("text/html", text.Bytes(), nil)
}

// answerText is an http.ResponseWriter that keeps the text.
type answerText struct{ bytes.Buffer }

func (*answerText) Header() http.Header { return http.Header{} }
func (*answerText) WriteHeader(int)     {}
