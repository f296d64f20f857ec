package wechatsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// control is one route of the control API.
type control struct {
	Route string `json:"route"`
	Does  string `json:"does"`
	serve controlFunc
}

// controlFunc serves one control request. The result is encoded after the function
// returns, so it must not share memory that can change; with an error it is ignored.
type controlFunc func(s *Sim, r *http.Request) (any, error)

// withBody decodes the body of the request for serve.
func withBody[In any](serve func(*Sim, In) (any, error)) controlFunc {
	return func(s *Sim, r *http.Request) (any, error) {
		in, err := decode[In](r)
		if err != nil {
			return nil, err
		}
		return serve(s, in)
	}
}

// locked is withBody that holds s.mu.
func locked[In any](serve func(*Sim, In) (any, error)) controlFunc {
	return withBody(func(s *Sim, in In) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return serve(s, in)
	})
}

// onPhone decodes the body of the request for serve, holds s.mu and finds the
// person whom {user} names.
func onPhone[In any](serve func(*Sim, *person, In) (any, error)) controlFunc {
	return func(s *Sim, r *http.Request) (any, error) {
		in, err := decode[In](r)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		p, err := s.person(r.PathValue("user"))
		if err != nil {
			return nil, err
		}
		return serve(s, p, in)
	}
}

// controlError is a refusal of the control API. Field names the field of the
// request that is wrong.
type controlError struct {
	status int
	Text   string `json:"error"`
	Field  string `json:"field,omitempty"`
}

func (e *controlError) Error() string { return e.Text }

func invalidField(field, text string, args ...any) error {
	return &controlError{http.StatusUnprocessableEntity, fmt.Sprintf(text, args...), field}
}

func notFound(field, text string, args ...any) error {
	return &controlError{http.StatusNotFound, fmt.Sprintf(text, args...), field}
}

func (s *Sim) routes() http.Handler {
	api, own := http.NewServeMux(), http.NewServeMux()
	for _, ep := range endpoints() {
		api.HandleFunc(ep.path, s.serveAPI(ep))
	}
	api.HandleFunc("GET "+PathAuthorize, s.serveAuthorize)
	api.HandleFunc("/", s.serveUnknown)
	own.HandleFunc("GET "+PathJWeixin, serveJWeixin)
	for _, c := range controls() {
		own.HandleFunc(c.Route, s.serveControl(c))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch _, pattern := own.Handler(r); {
		case pattern != "":
			own.ServeHTTP(w, r)
		case r.URL.Path == "/_sim" || strings.HasPrefix(r.URL.Path, "/_sim/"):
			text := "no control route " + r.Method + " " + r.URL.Path + "; GET /_sim/ lists them"
			respond(w, http.StatusNotFound, &controlError{Text: text})
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// serveUnknown answers every path of WeChat's that is not imitated.
func (s *Sim) serveUnknown(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a := s.refusalAnswer(r.URL.Path, refuse(40066, "the simulator does not imitate this path"))
	s.mu.Unlock()
	a.status = http.StatusNotFound
	s.calls.count("other", a.outcome)
	(*Fault)(nil).write(w, a, s.Now())
}

func (s *Sim) serveControl(c control) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		out, err := c.serve(s, r)
		var failed *controlError
		var rejected *RejectionError
		switch {
		case err == nil:
			respond(w, http.StatusOK, out)
		case errors.As(err, &rejected):
			respond(w, http.StatusBadRequest, object{"errMsg": "addCard:fail " + rejected.Says, "detail": rejected})
		case errors.As(err, &failed):
			respond(w, failed.status, failed)
		default:
			respond(w, http.StatusUnprocessableEntity, &controlError{Text: err.Error(), Field: fieldOf(err)})
		}
	}
}

// fieldOf returns the field in front of "field: what is wrong", or "".
func fieldOf(err error) string {
	match := regexp.MustCompile(`^([a-z_]+): `).FindStringSubmatch(err.Error())
	if match == nil {
		return ""
	}
	return match[1]
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(writeJSON(body), '\n'))
}

// decode reads the body of a control request. An empty body is the zero T. The
// error of an unknown field or a wrong type names the field.
func decode[T any](r *http.Request) (T, error) {
	var out T
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return out, &controlError{http.StatusRequestEntityTooLarge, "the body is too large", ""}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return out, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(&out)
	if err == nil && d.More() {
		err = errors.New("something follows the JSON value")
	}
	return out, decodeError(err)
}

func decodeError(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return invalidField(wrong.Field, "%s must be %s, not %s", wrong.Field, wrong.Type, wrong.Value)
	}
	if match := regexp.MustCompile(`unknown field "(.*)"`).FindStringSubmatch(err.Error()); match != nil {
		return invalidField(match[1], "unknown field %s", match[1])
	}
	return &controlError{http.StatusBadRequest, err.Error(), ""}
}
