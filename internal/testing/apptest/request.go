package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// Object is a JSON object.
type Object = map[string]any

// Client does not follow redirects.
var Client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 128},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Request sends one request. A body that is nil is not sent, any other as JSON.
func Request(t testing.TB, method, url, token string, body []byte, edit ...func(*http.Request)) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range edit {
		f(req)
	}
	resp, err := Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, resp.Header, raw}
}

// Post sends a request with a body to the public listener.
func (s *Server) Post(path, token string, body any) Answer {
	s.T.Helper()
	return Request(s.T, http.MethodPost, s.Public+path, token, encode(s.T, body))
}

// Get sends a request to the public listener.
func (s *Server) Get(path, token string) Answer {
	s.T.Helper()
	return Request(s.T, http.MethodGet, s.Public+path, token, nil)
}

// Operate sends a request of the operator. A string is sent as it is, and any
// other body as JSON; nil and "" are no body.
func (s *Server) Operate(method, path string, body any, edit ...func(*http.Request)) Answer {
	s.T.Helper()
	var raw []byte
	if text, ok := body.(string); ok && text != "" {
		raw = []byte(text)
	} else if !ok && body != nil {
		raw = encode(s.T, body)
	}
	return Request(s.T, method, s.Admin+path, AdminToken, raw, edit...)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Answer is the answer to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body.
func (a Answer) JSON(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("answer %d %s: %v", a.Status, a.Body, err)
	}
}

// Is checks the status.
func (a Answer) Is(t testing.TB, status int) Answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("got %d %s, want %d", a.Status, a.Body, status)
	}
	return a
}

// Problem is the body of an error answer.
type Problem struct {
	Type, Title, Code, Detail string
	Status                    int
	RequestID                 string `json:"request_id"`
	Errors                    []struct{ Location, Message string }
}

// Problem checks that the answer is a problem with this status and code.
func (a Answer) Problem(t testing.TB, status int, code string) Problem {
	t.Helper()
	var p Problem
	if a.Status != status {
		t.Errorf("got %d %s, want %d %s", a.Status, a.Body, status, code)
		return p
	}
	a.JSON(t, &p)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: got %q", got)
	}
	if p.Code != code || p.Status != status || p.RequestID == "" || p.Title == "" || p.Type != "urn:addcard:problem:"+code {
		t.Errorf("got %+v, want code %s", p, code)
	}
	return p
}
