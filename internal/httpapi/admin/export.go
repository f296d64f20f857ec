package admin

import (
	"context"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/sheet"
)

const exportPath = "/v1/members/export"

// maxExports bounds the exports at one time. Each keeps its slot until its client
// has read it all.
const maxExports = 4

// exportTime is how long a client may take to read one part of an export. The
// whole has no limit.
const exportTime = 30 * time.Second

// FileInput asks for a file to open with a spreadsheet.
type FileInput struct {
	Format sheet.Format `query:"format" enum:"csv,xlsx" default:"csv" doc:"xlsx: codes and numbers keep all of their digits in a spreadsheet. It is sent once it is complete."`
	Lang   string       `query:"lang" enum:"zh,en" doc:"For people: headings in this language, the titles of cards, and amounts in yuan. Without it the names are those of this API, and amounts are in fen (分)."`
}

// file returns the file that is asked for. Its sheet has the name of what is exported.
func (a *api) file(ctx context.Context, in FileInput, name string) (sheet.File, error) {
	f := sheet.File{Format: in.Format}
	if in.Lang == "" {
		return f, nil
	}
	cards, err := a.Cards.List(ctx)
	if err != nil {
		return f, err
	}
	f.Words = maps.Clone(exportWords[in.Lang])
	f.Words["sheet"] = f.Words["sheet "+name]
	f.Words["time ("+a.zone.String()+")"] = f.Words["time"] + " (" + a.zone.String() + ")"
	for _, c := range cards {
		f.Words[c.ID] = c.Title + " (" + c.ID + ")"
	}
	return f, nil
}

// span returns the name of a file for people with the days that are in it.
func (a *api) span(in FileInput, name string, from, to time.Time) string {
	first, last := from.In(a.zone).Format(time.DateOnly), to.Add(-1).In(a.zone).Format(time.DateOnly)
	switch {
	case in.Lang == "" || from.IsZero() && to.IsZero():
		return name
	case to.IsZero():
		return name + "-from-" + first
	case from.IsZero():
		return name + "-to-" + last
	}
	return name + "-" + first + "-" + last
}

// fileResponse describes the answer of stream.
func fileResponse() map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: "CSV is UTF-8 with a byte order mark.",
		Content:     map[string]*huma.MediaType{"text/csv": {}, sheet.XLSX.ContentType(): {}},
	}}
}

// exportMembers sends all members.
func (a *api) exportMembers(ctx context.Context, in *FileInput) (*huma.StreamResponse, error) {
	file, err := a.file(ctx, *in, "members")
	if err != nil {
		return nil, err
	}
	return a.stream("members", in.Format, func(ctx context.Context, w *deadlineWriter) error {
		return a.People.Export(ctx, w, file)
	}), nil
}

// stream sends the file that export writes. An error after its beginning closes the
// connection, so that the client does not take a part of the file for the whole.
func (a *api) stream(name string, format sheet.Format, export func(context.Context, *deadlineWriter) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		c := humagin.Unwrap(hc)
		h := c.Writer.Header()
		h.Set("Content-Type", format.ContentType())
		h.Set("Content-Disposition", `attachment; filename="`+name+`.`+string(format)+`"`)
		c.Status(http.StatusOK)
		w := &deadlineWriter{c.Writer, http.NewResponseController(c.Writer)}
		ctx := web.Detach(hc.Context()) // a request's deadline is too short
		if err := export(ctx, w); err != nil {
			a.Log().WarnContext(ctx, "export "+name+": not complete; closing the connection", "error", err, "request_id", web.RequestID(ctx))
			panic(http.ErrAbortHandler)
		}
	}}
}

// deadlineWriter gives the client exportTime for each Write.
type deadlineWriter struct {
	io.Writer
	control *http.ResponseController
}

func (w *deadlineWriter) Write(b []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(exportTime)); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}
