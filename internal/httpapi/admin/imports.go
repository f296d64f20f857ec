package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sheet"
)

const (
	importsPath = "/v1/imports"
	importPath  = importsPath + "/{id}"
	linesPath   = importPath + "/lines"
	accountPath = importsPath + "/accounts/{id}"
	// maxImports bounds the list of imports, and maxRefusals that of the refused lines of
	// one import.
	maxImports, maxRefusals = 50, 100
	// maxUploads bounds the files that are read at once.
	maxUploads = 2
)

type importInput struct {
	Name        string        `query:"name" maxLength:"200" doc:"With the key of a line it identifies the line. The Idempotency-Key by default; one of the two is required." example:"members.csv"`
	Key         string        `header:"Idempotency-Key" maxLength:"255"`
	CardID      string        `query:"card_id" maxLength:"64" doc:"May be omitted if the shop has one card."`
	DryRun      bool          `query:"dry_run" doc:"Say what would happen to each line, and change nothing."`
	SkipRefused bool          `query:"skip_refused" doc:"Import the other lines of a file of which some cannot be imported."`
	BalanceIn   importer.Unit `query:"balance_in" enum:"yuan,fen" doc:"The unit of the balances, if their heading does not say it."`
	Sheet       string        `query:"sheet" maxLength:"100" doc:"The sheet of a workbook; the first visible one by default."`
	Headings
	RawBody []byte `contentType:"application/octet-stream" required:"true"`
}

// Headings are the headings of columns that are not recognised by themselves.
type Headings struct {
	Line             string `query:"column.key" maxLength:"100" doc:"The heading of the column that identifies a line."`
	Phone            string `query:"column.phone" maxLength:"100" doc:"The heading of the column with phone numbers, and so on." example:"会员电话"`
	Code             string `query:"column.code" maxLength:"100"`
	UnionID          string `query:"column.unionid" maxLength:"100"`
	OpenID           string `query:"column.openid" maxLength:"100"`
	MembershipNumber string `query:"column.membership_number" maxLength:"100"`
	Bonus            string `query:"column.bonus" maxLength:"100"`
	Balance          string `query:"column.balance" maxLength:"100"`
	Field1           string `query:"column.custom_field1" maxLength:"100"`
	Field2           string `query:"column.custom_field2" maxLength:"100"`
	Field3           string `query:"column.custom_field3" maxLength:"100"`
	PersonName       string `query:"column.name" maxLength:"100"`
	Note             string `query:"column.note" maxLength:"100"`
}

// given returns the headings by the names of the columns.
func (h Headings) given() map[string]string {
	given := map[string]string{}
	for name, heading := range map[string]string{
		"key": h.Line, "phone": h.Phone, "code": h.Code, "unionid": h.UnionID, "openid": h.OpenID,
		"membership_number": h.MembershipNumber, "bonus": h.Bonus, "balance": h.Balance,
		"custom_field1": h.Field1, "custom_field2": h.Field2, "custom_field3": h.Field3, "name": h.PersonName, "note": h.Note,
	} {
		if heading != "" {
			given[name] = heading
		}
	}
	return given
}

// Resolve checks the name.
func (in *importInput) Resolve(huma.Context) []error {
	in.Name = cmp.Or(in.Name, in.Key)
	if in.Name == "" {
		return []error{web.FieldError{Location: "query.name", Message: "is required, or the header Idempotency-Key"}}
	}
	if wrong := web.CheckText(in.Name, 255); wrong != "" {
		return []error{web.FieldError{Location: "query.name", Message: wrong}}
	}
	return nil
}

// Import is an import of a file.
type Import struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	CardID    string     `json:"card_id"`
	DryRun    bool       `json:"dry_run" doc:"Nothing is changed; the counts and lines say what would happen."`
	State     string     `json:"state" enum:"running,done,refused,failed" doc:"refused: the file has lines that cannot be imported, so none was. failed: problem says why; what was imported before stays."`
	Problem   string     `json:"problem,omitempty"`
	Total     int64      `json:"total" doc:"The lines of the file; 0 until they are counted."`
	Lines     int64      `json:"lines" doc:"The lines that were worked on so far."`
	Waiting   int64      `json:"waiting" doc:"Accounts that wait for their person."`
	Joined    int64      `json:"joined" doc:"Accounts that joined a member's card at once."`
	Unchanged int64      `json:"unchanged" doc:"Lines that were imported before."`
	Refused   int64      `json:"refused" doc:"Lines that cannot be imported."`
	Actor     string     `json:"actor" doc:"Who asked for it."`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

func importOf(i importer.Import) Import {
	shown := Import{
		ID: i.ID, Name: i.Name, CardID: i.CardID, DryRun: i.DryRun, State: string(i.State), Problem: i.Problem, Total: i.Total,
		Lines: i.Lines, Waiting: i.Waiting, Joined: i.Joined, Unchanged: i.Unchanged, Refused: i.Refused,
		Actor: i.Actor, CreatedAt: i.CreatedAt,
	}
	if !i.EndedAt.IsZero() {
		shown.EndedAt = &i.EndedAt
	}
	return shown
}

type startedImport struct {
	Location string `header:"Location"`
	Body     Import
}

type importOutput struct {
	Body struct {
		Import
		Refusals []refusal `json:"refusals" doc:"The first 100 lines that were refused."`
	}
}

type refusal struct {
	Line   int    `json:"line"`
	Column string `json:"column,omitempty" doc:"As the file calls it."`
	Reason string `json:"reason"`
}

type importsOutput struct {
	Body struct {
		Imports []Import `json:"imports" doc:"The newest first."`
	}
}

// ImportPath names one import.
type ImportPath struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

type linesInput struct {
	ImportPath
	Outcome string `query:"outcome" enum:"waiting,joined,unchanged,refused"`
	web.PageInput

	after importer.Mark
}

// Resolve reads the cursor.
func (in *linesInput) Resolve(huma.Context) []error {
	return in.ReadCursor(2, func(parts []string) (err error) {
		in.after.Key = parts[1]
		in.after.Line, err = strconv.Atoi(parts[0])
		return err
	})
}

type linesOutput struct {
	Body struct {
		Lines      []importedLine `json:"lines" doc:"In the order of the file. A dry run has all lines; an import those that were imported, in whatever run, and those that were refused in the last."`
		NextCursor string         `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

type importedLine struct {
	Line      int    `json:"line"`
	Outcome   string `json:"outcome" enum:"waiting,joined,unchanged,refused"`
	Column    string `json:"column,omitempty"`
	Reason    string `json:"reason,omitempty"`
	AccountID string `json:"account_id,omitempty" doc:"The imported account."`
}

func (a *api) importRoutes() {
	a.Admit(http.MethodPost, importsPath, web.Admission{Slots: make(chan struct{}, maxUploads), Read: func(c *gin.Context) {
		if _, err := web.KeepBody(c, maxBody); err != nil {
			a.Fail(c, err)
		}
	}})
	web.Route(a.Listener, huma.Operation{
		OperationID: "importMembers", Method: http.MethodPost, Path: importsPath, Tags: []string{"members"},
		Summary: "Import the members of another system from a file", DefaultStatus: http.StatusAccepted, Errors: []int{413, 422, 503},
		Description: "The body is CSV, JSON lines or XLSX, whatever its content type, of up to 8 MiB. The server works on it in the " +
			"background, also after a restart. A line is identified by the name of the import, the card and its key, so the same file " +
			"can be sent again. While an import with the name and card is running, the answer is that one.",
	}, a.importMembers)
	web.Route(a.Listener, huma.Operation{
		OperationID: "imports", Method: http.MethodGet, Path: importsPath, Tags: []string{"members"},
		Summary: "The latest imports, also those of the command line", Errors: []int{503},
	}, a.imports)
	web.Route(a.Listener, huma.Operation{
		OperationID: "import", Method: http.MethodGet, Path: importPath, Tags: []string{"members"},
		Summary: "The progress of an import", Errors: []int{404, 503},
	}, a.oneImport)
	web.Route(a.Listener, huma.Operation{
		OperationID: "importedLines", Method: http.MethodGet, Path: linesPath, Tags: []string{"members"},
		Summary: "What became of the lines of an import", Errors: []int{404, 422, 503},
	}, a.importedLines)
	web.Route(a.Listener, huma.Operation{
		OperationID: "eraseAccount", Method: http.MethodDelete, Path: accountPath, Tags: []string{"members"},
		Summary: "Delete the data of an imported account that waits for its person", DefaultStatus: http.StatusNoContent, Errors: []int{404, 503},
		Description: "GET /v1/members?query= finds the account. Its ledger is kept without a name, and the line of the file is not imported " +
			"again. An account that is bound to a member is deleted with that member.",
	}, a.eraseAccount)
}

func (a *api) eraseAccount(ctx context.Context, in *ImportPath) (*web.Nothing, error) {
	return nil, a.People.EraseImported(ctx, in.ID)
}

func (a *api) importMembers(ctx context.Context, in *importInput) (*startedImport, error) {
	cardID, err := a.onlyCard(ctx, in.CardID)
	if err != nil {
		return nil, err
	}
	i, err := a.Imports.Start(ctx, in.RawBody, importer.Options{
		Name: in.Name, CardID: cardID, Actor: web.PrincipalOf(ctx).Name, DryRun: in.DryRun, SkipRefused: in.SkipRefused,
		Unit: in.BalanceIn, Headings: in.given(), Sheet: in.Sheet,
	})
	if err != nil {
		return nil, asInputError(err)
	}
	audit.Note(ctx, "import", nil, i.ID)
	return &startedImport{Location: importsPath + "/" + i.ID, Body: importOf(i)}, nil
}

// onlyCard returns cardID, or the shop's only card.
func (a *api) onlyCard(ctx context.Context, cardID string) (string, error) {
	if cardID != "" {
		return cardID, nil
	}
	cards, err := a.Cards.List(ctx)
	switch {
	case err != nil:
		return "", err
	case len(cards) != 1:
		return "", web.InputErrors{{Location: "query.card_id", Message: "is required, because the shop does not have exactly one card"}}
	}
	return cards[0].ID, nil
}

// asInputError names the part of the request that an error about a whole file is about.
func asInputError(err error) error {
	var file *sheet.FileError
	switch {
	case errors.As(err, &file):
		return web.InputErrors{{Location: "body", Message: file.Error()}}
	case errors.Is(err, importer.ErrNoKeys):
		return web.InputErrors{{Location: "body", Message: "has phone numbers, names or notes, which are only kept encrypted: set DATA_KEYS"}}
	case errors.Is(err, member.ErrCardUnknown):
		return web.InputErrors{{Location: "query.card_id", Message: "the shop has no such card"}}
	}
	return err
}

func (a *api) imports(ctx context.Context, _ *struct{}) (*importsOutput, error) {
	list, err := a.Imports.List(ctx, maxImports)
	var out importsOutput
	out.Body.Imports = web.List(list, importOf)
	return &out, err
}

func (a *api) oneImport(ctx context.Context, in *ImportPath) (*importOutput, error) {
	i, err := a.Imports.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	refused, err := a.Imports.Lines(ctx, in.ID, importer.Refused, importer.Mark{}, maxRefusals)
	var out importOutput
	out.Body.Import = importOf(i)
	out.Body.Refusals = web.List(refused, func(r importer.Result) refusal { return refusal{r.Line, r.Column, r.Reason} })
	return &out, err
}

func (a *api) importedLines(ctx context.Context, in *linesInput) (*linesOutput, error) {
	if _, err := a.Imports.Get(ctx, in.ID); err != nil {
		return nil, err
	}
	list, err := a.Imports.Lines(ctx, in.ID, in.Outcome, in.after, in.Limit+1)
	var out linesOutput
	list, out.Body.NextCursor = web.Page(in.PageInput, list, func(r importer.Result) []string {
		return []string{strconv.Itoa(r.Line), r.Key}
	})
	out.Body.Lines = web.List(list, func(r importer.Result) importedLine {
		return importedLine{r.Line, r.Outcome, r.Column, r.Reason, r.Account}
	})
	return &out, err
}
