package public

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

var (
	//go:embed home/zh.html
	homeZH []byte
	//go:embed home/en.html
	homeEN []byte
	//go:embed home/home.css
	homeCSS []byte
)

// homeRoute tells a person whose browser asks for / what is here. Programs get the 404 of
// every path without a route.
func (a *api) homeRoute() {
	a.ServeAsset("/home.css", "text/css; charset=utf-8", homeCSS)
	a.Admit(http.MethodGet, "/", web.Admission{Free: true})
	a.GET("/", func(c *gin.Context) {
		c.Header("Vary", "Accept, Accept-Language")
		if !strings.Contains(c.GetHeader("Accept"), "text/html") {
			a.Fail(c, web.NotFound.Err())
			return
		}
		c.Header("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:")
		page := homeZH
		if web.Language(c.GetHeader("Accept-Language"), "zh", "en") == "en" {
			page = homeEN
		}
		c.Data(http.StatusOK, "text/html; charset=utf-8", page)
	})
}
