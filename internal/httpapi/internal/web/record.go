package web

import (
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/audit"
)

// Recorder begins records of the audit log; see package audit.
type Recorder interface {
	Begin(ctx context.Context, from audit.Origin, action string, on audit.Target) (context.Context, *audit.Action, error)
}

type targetKey struct{}

// keepTarget keeps for the audit log what a request is about.
func keepTarget(ctx huma.Context, next func(huma.Context)) {
	next(huma.WithValue(ctx, targetKey{}, audit.Target{
		CardID: ctx.Param("card_id"), Code: ctx.Param("code"), Subject: cmp.Or(ctx.Param("id"), ctx.Param("kind")),
	}))
}

// Recorded does what a request asks for, and has the audit log record it before and
// after. What cannot be recorded is not done. The error is the *Problem that the client
// gets.
func Recorded[O any](ctx context.Context, l *Listener, action string, do func(context.Context) (*O, error)) (*O, error) {
	who := PrincipalOf(ctx)
	target, _ := ctx.Value(targetKey{}).(audit.Target)
	source := audit.API
	if who.Console {
		source = audit.Console
	}
	ctx, recorded, err := l.options.Audit.Begin(ctx, audit.Origin{
		Actor: who.Name, Role: string(who.Role), Source: source, Address: who.Address, RequestID: RequestID(ctx),
	}, action, target)
	if err != nil {
		return nil, l.Problem(ctx, err)
	}
	out, err := do(ctx)
	if err != nil {
		p := l.Problem(ctx, err)
		recorded.End(ctx, p.Code, p.Status < http.StatusInternalServerError)
		return nil, p
	}
	recorded.End(ctx, "", false)
	return out, nil
}
