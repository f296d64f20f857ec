package admin

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

type imageAnswer struct {
	URL string `json:"url"`
}

// imageRoute takes a picture as the body of a request.
func (a *api) imageRoute() {
	notPicture := web.UnsupportedMedia.WithDetail("The request body must be a picture, image/png or image/jpeg.")
	a.POST("/v1/images", func(c *gin.Context) {
		if media := c.ContentType(); media != "image/png" && media != "image/jpeg" {
			a.Fail(c, notPicture.Err())
			return
		}
		picture, err := web.ReadBody(c, maxBody)
		if err != nil {
			a.Fail(c, err)
			return
		}
		url, err := a.Distribution.Image(c.Request.Context(), picture)
		if err != nil {
			a.Fail(c, web.QuoteWeChat(err))
			return
		}
		answer, _ := web.Marshal(imageAnswer{url}) // a string: it cannot fail
		c.Data(http.StatusCreated, "application/json", answer)
	})
}

// describeImageRoute adds imageRoute to the description of the API.
func (a *api) describeImageRoute() {
	picture := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	a.API.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "image", Method: http.MethodPost, Path: "/v1/images", Tags: []string{"cards"}, Security: web.BearerAuth,
		Summary: "Put a picture on WeChat's CDN, where card pictures must be; at most 1 MiB",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"image/png": {Schema: picture},
			"image/jpeg": {Schema: picture}}},
		Responses: jsonResponse[imageAnswer](a, "201", "Created", "Image"),
	})
}
