package admin

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

const imagePath = "/v1/images"

type imageAnswer struct {
	URL string `json:"url"`
}

// imageRoute takes a picture as the body of a request.
func (a *api) imageRoute() {
	notPicture := web.UnsupportedMedia.WithDetail("The request body must be a picture, image/png or image/jpeg.")
	a.Admit(http.MethodPost, imagePath, web.Admission{Read: func(c *gin.Context) {
		if media := c.ContentType(); media != "image/png" && media != "image/jpeg" {
			a.Fail(c, notPicture.Err())
			return
		}
		if _, err := web.KeepBody(c, maxBody); err != nil {
			a.Fail(c, err)
		}
	}})
	a.POST(imagePath, func(c *gin.Context) {
		picture, _ := io.ReadAll(c.Request.Body) // from memory
		url, err := web.Recorded(c.Request.Context(), a.Listener, "image", func(ctx context.Context) (*string, error) {
			url, err := a.Distribution.Image(ctx, picture)
			if err != nil {
				err = web.QuoteWeChat(err)
			}
			return &url, err
		})
		if err != nil {
			a.Fail(c, err)
			return
		}
		answer, _ := web.Marshal(imageAnswer{*url}) // a string: it cannot fail
		c.Data(http.StatusCreated, "application/json", answer)
	})
}

// describeImageRoute adds imageRoute to the description of the API.
func (a *api) describeImageRoute() {
	picture := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	a.API.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "image", Method: http.MethodPost, Path: imagePath, Tags: []string{"cards"}, Security: web.BearerAuth,
		Summary: "Put a picture on WeChat's CDN, where card pictures must be; at most 1 MiB",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"image/png": {Schema: picture},
			"image/jpeg": {Schema: picture}}},
		Responses: jsonResponse[imageAnswer](a, "201", "Created", "Image"),
	})
}
