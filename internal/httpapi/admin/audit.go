package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

const auditExportPath = "/v1/audit/export"

// AuditFilter selects records of the audit log.
type AuditFilter struct {
	web.SpanInput
	Actor   string `query:"actor" maxLength:"64" doc:"The name of a person of the staff, owner, or cli: and the user of the machine."`
	Action  string `query:"action" maxLength:"64" doc:"The operation, as this description names it, or the command." example:"updateCard"`
	CardID  string `query:"card_id" maxLength:"64"`
	Code    string `query:"code" maxLength:"64" doc:"Only together with card_id."`
	Subject string `query:"subject" maxLength:"64" doc:"The id of a member, of a person of the staff or of a message."`
}

// filter returns the filter, or web.InputErrors.
func (in AuditFilter) filter(zone *time.Location) (audit.Filter, error) {
	from, to, err := in.In(zone)
	if err == nil && in.Code != "" && in.CardID == "" {
		err = web.InputErrors{{Location: "query.code", Message: "needs card_id"}}
	}
	return audit.Filter{From: from, To: to, Actor: in.Actor, Action: in.Action, CardID: in.CardID, Code: in.Code, Subject: in.Subject}, err
}

type auditInput struct {
	AuditFilter
	web.PageInput

	after audit.Mark
}

// Resolve reads the cursor.
func (in *auditInput) Resolve(huma.Context) []error {
	return in.ReadCursor(2, func(parts []string) (err error) {
		in.after.ID = parts[1]
		in.after.At, err = web.ParseTime(parts[0])
		return err
	})
}

type auditOutput struct {
	Body struct {
		Records    []auditRecord `json:"records" doc:"Newest first."`
		NextCursor string        `json:"next_cursor,omitempty" doc:"Of the older records; absent when there are none."`
	}
}

type auditRecord struct {
	ID        string          `json:"id"`
	At        time.Time       `json:"at"`
	Actor     string          `json:"actor"`
	Role      string          `json:"role,omitempty"`
	Source    string          `json:"source" enum:"api,console,cli"`
	Address   string          `json:"address,omitempty" doc:"The client's, or that of a proxy that is not in TRUSTED_PROXIES."`
	Action    string          `json:"action"`
	CardID    string          `json:"card_id,omitempty"`
	Code      string          `json:"code,omitempty"`
	Subject   string          `json:"subject,omitempty"`
	Result    string          `json:"result" enum:"done,refused,failed,unknown" doc:"refused: nothing was changed. failed: something may have been, at WeChat say. unknown: it is in progress, or the process ended."`
	Problem   string          `json:"problem,omitempty" doc:"The code of the error that the client got."`
	Changes   json.RawMessage `json:"changes,omitempty" doc:"A list of {field, before, after}."`
	RequestID string          `json:"request_id,omitempty"`
}

func auditRecordOf(r audit.Record) auditRecord {
	return auditRecord{
		ID: r.ID, At: r.At, Actor: r.Actor, Role: r.Role, Source: string(r.Source), Address: r.Address, Action: r.Action,
		CardID: r.CardID, Code: r.Code, Subject: r.Subject, Result: string(r.Result), Problem: r.Problem, Changes: r.Changes,
		RequestID: r.RequestID,
	}
}

func (a *api) auditRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "audit", Method: http.MethodGet, Path: "/v1/audit", Tags: []string{"staff"},
		Summary: "Who changed what, from where", Errors: []int{422, 503},
		Description: "Each change through this API, the console and the command line, but for entries of the ledger: GET /v1/entries " +
			"has these with their actor. Nothing is changed without a record, and no record is changed or deleted.",
	}, a.listAudit)
	a.Admit(http.MethodGet, auditExportPath, web.Admission{Slots: make(chan struct{}, maxExports), Streams: true})
	web.Route(a.Listener, huma.Operation{
		OperationID: "exportAudit", Method: http.MethodGet, Path: auditExportPath, Tags: []string{"staff"},
		Summary: "The audit log as CSV or XLSX", Errors: []int{422, 503},
		Description: "Streamed, newest first, with times in the shop's zone; safe to open in a spreadsheet. " +
			"A transfer that breaks off is not complete.",
		Responses: fileResponse(),
	}, a.exportAudit)
}

func (a *api) listAudit(ctx context.Context, in *auditInput) (*auditOutput, error) {
	f, err := in.filter(a.zone)
	if err != nil {
		return nil, err
	}
	list, err := a.Audit.List(ctx, f, in.after, in.Limit+1)
	var out auditOutput
	list, out.Body.NextCursor = web.Page(in.PageInput, list, func(r audit.Record) []string {
		return []string{web.FormatTime(r.At), r.ID}
	})
	out.Body.Records = web.List(list, auditRecordOf)
	return &out, err
}

func (a *api) exportAudit(ctx context.Context, in *struct {
	AuditFilter
	FileInput
}) (*huma.StreamResponse, error) {
	f, err := in.filter(a.zone)
	if err != nil {
		return nil, err
	}
	file, err := a.file(ctx, in.FileInput, "audit")
	if err != nil {
		return nil, err
	}
	return a.stream(a.span(in.FileInput, "audit", f.From, f.To), in.Format, func(ctx context.Context, w *deadlineWriter) error {
		return a.Audit.Export(ctx, w, file, f, a.zone)
	}), nil
}
