package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
)

// exportTime is how long a client may take for a part of an export. The whole
// has no limit.
const exportTime = 30 * time.Second

// exportMembers streams the file. What fails after its beginning breaks the
// connection off, so that nobody takes half a file for the whole.
func (a *API) exportMembers(context.Context, *nothing) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		c := humagin.Unwrap(hc)
		h := c.Writer.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="members.csv"`)
		c.Status(http.StatusOK)
		w := &patient{c.Writer, http.NewResponseController(c.Writer)}
		ctx := context.WithoutCancel(hc.Context()) // a request's deadline is too short
		if err := a.People.Export(ctx, w); err != nil {
			a.Log.WarnContext(ctx, "an export broke off", "error", err, "request_id", requestID(ctx))
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// patient gives the client of a long answer time for each part of it.
type patient struct {
	io.Writer
	control *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(exportTime)); err != nil {
		return 0, err
	}
	return p.Writer.Write(b)
}
