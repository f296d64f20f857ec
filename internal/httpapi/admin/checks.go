package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// checkFinding is what one check has found.
type checkFinding struct {
	Name    string `json:"name" example:"database"`
	Outcome string `json:"outcome" enum:"ok,warning,failed,skipped"`
	Found   string `json:"found"`
	Fix     string `json:"fix,omitempty" doc:"What mends it: a command, a variable, or a page of WeChat's console."`
}

type checksInput struct {
	Lang string `query:"lang" enum:"zh,en" default:"en" doc:"The language of found and fix."`
}

type checksOutput struct {
	Body struct {
		CheckedAt *time.Time     `json:"checked_at,omitempty" doc:"Absent before the first examination, which this request begins."`
		Findings  []checkFinding `json:"findings"`
	}
}

func (a *api) checksRoute() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "checks", Method: http.MethodGet, Path: "/v1/checks", Tags: []string{"checks"},
		Summary: "What the last examination of this server has found", Errors: []int{401},
		Description: "An answer that is older than a minute begins another examination, and does not wait for it. " +
			"WeChat is not called; server doctor on the command line checks more.",
	}, func(_ context.Context, in *checksInput) (*checksOutput, error) {
		var out checksOutput
		found, at := a.Checks.Findings()
		if !at.IsZero() {
			at = at.UTC()
			out.Body.CheckedAt = &at
		}
		out.Body.Findings = web.List(found, func(f doctor.Finding) checkFinding {
			return checkFinding{f.Name, f.Outcome, f.Found.In(in.Lang), f.Fix.In(in.Lang)}
		})
		return &out, nil
	})
}
