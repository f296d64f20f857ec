package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/phone"
)

// Person is a member as the operator sees one.
type Person struct {
	ID         string           `json:"id"`
	CreatedAt  time.Time        `json:"created_at"`
	Phone      string           `json:"phone,omitempty" example:"138****8000" doc:"The number that the member has shown to the mini-program, without its middle. Only with DATA_KEYS."`
	Identities []identity       `json:"identities"`
	Cards      []web.MemberCard `json:"cards" doc:"Oldest first, with the codes of those that were only issued."`
}

type identity struct {
	AppID   string `json:"app_id" doc:"The mini-program's or the Official Account's."`
	OpenID  string `json:"openid"`
	UnionID string `json:"unionid,omitempty"`
}

func personOf(p member.Person) Person {
	person := Person{
		ID: p.ID, CreatedAt: p.CreatedAt,
		Identities: web.List(p.Identities, func(id member.Identity) identity { return identity{id.AppID, id.OpenID, id.UnionID} }),
		Cards: web.List(p.Cards, func(c member.Card) web.MemberCard {
			card := web.MemberCardOf(c)
			card.Code = c.Code
			return card
		}),
	}
	if p.Phone != "" {
		person.Phone = phone.Mask(p.Phone)
	}
	return person
}

type membersInput struct {
	Query string `query:"query" maxLength:"256" doc:"A member's id, a card code, membership number, openid, unionid or, with DATA_KEYS, phone number, in full. Without it all members are listed, newest first. A cashier finds members only by code, membership number or phone."`
	web.PageInput

	after member.Mark
}

// Resolve reads the cursor.
func (in *membersInput) Resolve(huma.Context) []error {
	return in.ReadCursor(2, func(parts []string) (err error) {
		in.after.ID = parts[1]
		in.after.CreatedAt, err = web.ParseTime(parts[0])
		return err
	})
}

type membersOutput struct {
	Body struct {
		Members    []Person          `json:"members"`
		Accounts   []importedAccount `json:"accounts,omitempty" doc:"The accounts of the shop's former system that query names and that wait for their person. A cashier sees no phone, name and note."`
		NextCursor string            `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

type memberInput struct {
	ID string `path:"id" maxLength:"64"`
}

type eraseInput struct {
	ID          string `path:"id" maxLength:"64"`
	Unavailable bool   `query:"unavailable" doc:"Also make the member's codes unavailable at WeChat, which cannot be undone. A code that is in no wallet, or was deleted, given away or has expired, stays as it is."`
}

type memberOutput struct {
	Body struct {
		Person
		Forms    []filledForm      `json:"forms,omitempty" doc:"What was filled in in one-click forms, where DATA_KEYS let it be kept."`
		Accounts []importedAccount `json:"accounts,omitempty" doc:"What the member had in the shop's former system. Oldest first."`
	}
}

type filledForm struct {
	CardID string            `json:"card_id"`
	Code   string            `json:"code"`
	Fields map[string]string `json:"fields"`
}

// importedAccount is an account of the shop's former system.
type importedAccount struct {
	ID               string     `json:"id"`
	ImportID         string     `json:"import_id,omitempty"`
	Import           string     `json:"import,omitempty" doc:"The name of the import."`
	CardID           string     `json:"card_id"`
	MembershipNumber string     `json:"membership_number,omitempty"`
	Bonus            int64      `json:"bonus"`
	Balance          int64      `json:"balance" doc:"In fen (分)."`
	Phone            string     `json:"phone,omitempty" doc:"Absent if none was imported, or if no key of DATA_KEYS opens it; so are name and note."`
	Name             string     `json:"name,omitempty"`
	Note             string     `json:"note,omitempty"`
	CreatedAt        time.Time  `json:"created_at"`
	BoundAt          *time.Time `json:"bound_at,omitempty" doc:"When its person was proved to be this member; absent while it waits for that."`
	JoinedAt         *time.Time `json:"joined_at,omitempty" doc:"When it joined a card; absent while the member has none."`
	Code             string     `json:"code,omitempty" doc:"The card that it joined."`
}

func importedAccountOf(a importer.Account) importedAccount {
	shown := importedAccount{
		ID: a.ID, ImportID: a.ImportID, Import: a.ImportName, CardID: a.CardID, MembershipNumber: a.MembershipNumber,
		Bonus: a.Bonus, Balance: a.Balance, Phone: a.Phone, Name: a.Name, Note: a.Note,
		CreatedAt: a.CreatedAt, Code: a.JoinedCode,
	}
	if !a.BoundAt.IsZero() {
		shown.BoundAt = &a.BoundAt
	}
	if !a.JoinedAt.IsZero() {
		shown.JoinedAt = &a.JoinedAt
	}
	return shown
}

func (a *api) memberRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "members", Method: http.MethodGet, Path: "/v1/members", Tags: []string{"members"},
		Summary: "List members, or find those that a number names", Errors: []int{401, 503},
	}, a.listMembers)
	a.Admit(http.MethodGet, exportPath, web.Admission{Slots: make(chan struct{}, maxExports), Streams: true})
	web.Route(a.Listener, huma.Operation{
		OperationID: "exportMembers", Method: http.MethodGet, Path: exportPath, Tags: []string{"members"},
		Summary: "Every member and card as CSV or XLSX", Errors: []int{401, 503},
		Description: "Streamed, one line for each card; safe to open in a spreadsheet. A transfer that breaks off is not complete.",
		Responses:   fileResponse(),
	}, a.exportMembers)
	web.Route(a.Listener, huma.Operation{
		OperationID: "member", Method: http.MethodGet, Path: "/v1/members/{id}", Tags: []string{"members"},
		Summary: "One member", Errors: []int{401, 404, 503},
	}, a.member)
	web.Route(a.Listener, huma.Operation{
		OperationID: "eraseMember", Method: http.MethodDelete, Path: "/v1/members/{id}", Tags: []string{"members"},
		Summary: "Delete a person's data for good", DefaultStatus: http.StatusNoContent, Errors: []int{401, 404, 503},
		Description: "Identities, phone numbers, form fields, membership numbers and what events said are deleted, sessions end, " +
			"codes become unavailable. " +
			"The ledger is kept without a name, with the texts of its entries. At WeChat the cards stay in the wallet with their figures, " +
			"unless unavailable is true; the forms that were filled in there and the messages that were sent stay in any case. " +
			"If a code cannot be made unavailable, nothing is deleted, and the request can be repeated.",
	}, a.eraseMember)
}

func (a *api) eraseMember(ctx context.Context, in *eraseInput) (*web.Nothing, error) {
	if !in.Unavailable {
		return nil, a.People.Erase(ctx, in.ID)
	}
	if _, err := a.People.EraseWithCodes(ctx, in.ID); err != nil {
		return nil, web.QuoteWeChat(err)
	}
	return nil, nil
}

func (a *api) member(ctx context.Context, in *memberInput) (*memberOutput, error) {
	p, err := a.People.Person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	accounts, err := a.Imports.Accounts(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var out memberOutput
	out.Body.Person, out.Body.Accounts = personOf(p), web.List(accounts, importedAccountOf)
	for _, c := range p.Cards {
		fields, err := a.Forms.Answers(ctx, c.CardID, c.Code)
		if err != nil {
			return nil, err
		}
		if len(fields) > 0 {
			out.Body.Forms = append(out.Body.Forms, filledForm{c.CardID, c.Code, fields})
		}
	}
	return &out, nil
}

func (a *api) listMembers(ctx context.Context, in *membersInput) (*membersOutput, error) {
	list := a.People.Find
	cashier := web.PrincipalOf(ctx).Role == web.Cashier
	if cashier && in.Query == "" {
		return nil, web.InputErrors{{Location: "query.query", Message: "is required: the card code or the phone number of a member"}}
	}
	if in.Query == "" {
		list = func(ctx context.Context, _ string, n int) ([]member.Person, error) {
			return a.People.People(ctx, in.after, n+1)
		}
	}
	people, err := list(ctx, in.Query, in.Limit)
	if err != nil {
		return nil, err
	}
	var accounts []importer.Account
	if in.Query != "" {
		if accounts, err = a.Imports.Waiting(ctx, in.Query, in.Limit); err != nil {
			return nil, err
		}
	}
	if cashier {
		people, accounts = forCashier(people, in.Query), accountsForCashier(accounts, in.Query)
	}
	var out membersOutput
	people, out.Body.NextCursor = web.Page(in.PageInput, people, func(p member.Person) []string {
		return []string{web.FormatTime(p.CreatedAt), p.ID}
	})
	out.Body.Members, out.Body.Accounts = web.List(people, personOf), web.List(accounts, importedAccountOf)
	return &out, nil
}
