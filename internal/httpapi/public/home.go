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
)

// homeRoute tells a person whose browser asks for / what is here. Programs get the 404 of
// every path without a route.
func (a *api) homeRoute() {
	a.Admit(http.MethodGet, "/", web.Admission{Free: true})
	a.GET("/", func(c *gin.Context) {
		c.Header("Vary", "Accept, Accept-Language")
		if !strings.Contains(c.GetHeader("Accept"), "text/html") {
			a.Fail(c, web.NotFound.Err())
			return
		}
		page := homeZH
		if web.Language(c.GetHeader("Accept-Language"), "zh", "en") == "en" {
			page = homeEN
		}
		c.Data(http.StatusOK, "text/html; charset=utf-8", page)
	})
}
