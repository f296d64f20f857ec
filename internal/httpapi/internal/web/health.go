package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/singleflight"
)

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

// maxProbes bounds the requests that wait for one readiness check.
const maxProbes = 64

// readyTime bounds a readiness check.
const readyTime = 2 * time.Second

// healthRoutes answer probes. They take no slot of other routes: the liveness
// answer costs nothing, and readiness is checked once for all that ask meanwhile.
func (l *Listener) healthRoutes() {
	ok := &healthOutput{}
	ok.Body.Status = "ok"
	l.Admit(http.MethodGet, LivePath, Admission{Free: true, Urgent: true})
	Route(l, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: LivePath, Tags: []string{"health"},
		Summary: "The process is alive", Errors: []int{503},
	}, func(context.Context, *Nothing) (*healthOutput, error) { return ok, nil })
	l.Admit(http.MethodGet, ReadyPath, Admission{Slots: make(chan struct{}, maxProbes), Urgent: true})
	var check singleflight.Group
	Route(l, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: ReadyPath, Tags: []string{"health"},
		Summary: "The database answers and the process is not shutting down", Errors: []int{503},
	}, func(ctx context.Context, _ *Nothing) (*healthOutput, error) {
		if l.ready(ctx, &check) != nil {
			return nil, Unavailable.WithDetail("").Err()
		}
		return ok, nil
	})
}

// The paths of the two probes.
const (
	LivePath  = "/healthz"
	ReadyPath = "/readyz"
)

func (l *Listener) ready(ctx context.Context, check *singleflight.Group) error {
	result := check.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTime)
		defer cancel()
		return nil, l.options.Ready(ctx)
	})
	select {
	case r := <-result:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}
