package public_test

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestHealth_AndDocuments(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/openapi.yaml", "/docs/"} {
		if got := s.Get(path, ""); got.Status != 200 || len(got.Body) == 0 {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
	if got := s.Get("/docs", ""); got.Status != 301 {
		t.Errorf("/docs: %d", got.Status)
	}
	page := s.Get("/docs/", "")
	if strings.Contains(string(page.Body), `src="http`) || strings.Contains(string(page.Body), `href="http`) {
		t.Errorf("the documentation loads from elsewhere: %s", page.Body)
	}
	for _, asset := range []string{"swagger-ui-bundle.js", "swagger-ui.css"} {
		if got := s.Get("/docs/"+asset, ""); got.Status != 200 || !strings.Contains(string(page.Body), asset) {
			t.Errorf("/docs/%s: %d", asset, got.Status)
		}
	}
	var api struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	s.Get("/openapi.json", "").JSON(t, &api)
	if !strings.HasPrefix(api.OpenAPI, "3.1") {
		t.Errorf("openapi: got %q", api.OpenAPI)
	}
	for _, route := range []string{"post /v1/session", "delete /v1/session", "get /v1/me", "post /v1/card-ext", "post /v1/claims",
		"get /v1/cards/{card_id}", "get /wechat/callback", "post /wechat/callback", "get /healthz", "get /readyz"} {
		method, path, _ := strings.Cut(route, " ")
		if api.Paths[path][method] == nil {
			t.Errorf("openapi.json lacks %s", route)
		}
	}
}
