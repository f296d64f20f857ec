package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/phone"
	"github.com/addcard/addcard/internal/sheet"
)

type memberCmd struct {
	Find         memberFindCmd         `cmd:"" help:"Find members, and imported accounts that wait, by an id, code, membership number, openid, unionid or phone."`
	List         memberListCmd         `cmd:"" help:"List all members, the newest first."`
	Show         memberShowCmd         `cmd:"" help:"Show one member: phone, identities, cards and imported accounts."`
	Adjust       memberAdjustCmd       `cmd:"" help:"Add an entry to the ledger of a member's card."`
	Export       memberExportCmd       `cmd:"" help:"Write all members and cards as CSV."`
	ExportPerson memberExportPersonCmd `cmd:"" help:"Write all that is stored of one person as JSON, on the person's request."`
	Import       memberImportCmd       `cmd:"" help:"Import the members of another system from a file; repeating it changes nothing."`
	Delete       memberDeleteCmd       `cmd:"" help:"Delete the personal data of a member, or of an imported account that waits, for good; the ledger remains."`
}

type memberFindCmd struct {
	Key   string `arg:"" help:"The complete id, code, number, openid, unionid or phone."`
	Limit int    `default:"50" help:"The largest number to print."`
	JSON  bool   `name:"json" help:"Print JSON, one member a line."`
}

func (c memberFindCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		people, err := core.Members.Find(ctx, c.Key, c.Limit)
		if err != nil {
			return err
		}
		accounts, err := core.Imports.Waiting(ctx, c.Key, c.Limit)
		if err != nil {
			return err
		}
		if len(people)+len(accounts) == 0 {
			return errors.New("no member found")
		}
		for _, p := range people {
			if err := printPerson(streams.Out, p, c.JSON); err != nil {
				return err
			}
		}
		for _, a := range accounts {
			if err := printWaiting(streams.Out, a, c.JSON); err != nil {
				return err
			}
		}
		return nil
	})
}

type memberListCmd struct {
	Limit int    `default:"50" help:"The largest number to print."`
	After string `help:"The id of the last member of the page before." placeholder:"ID"`
	JSON  bool   `name:"json" help:"Print JSON, one member a line."`
}

func (c memberListCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if c.Limit < 1 {
		return command.Usagef("--limit: must be 1 or more")
	}
	return g.withCore(ctx, streams, func(core *app.Core) error {
		var after member.Mark
		if c.After != "" {
			last, err := core.Members.Person(ctx, c.After)
			if err != nil {
				return fmt.Errorf("--after: %w", err)
			}
			after = last.Mark()
		}
		people, err := core.Members.People(ctx, after, c.Limit)
		if err != nil {
			return err
		}
		for _, p := range people {
			if err := printPerson(streams.Out, p, c.JSON); err != nil {
				return err
			}
		}
		if len(people) == c.Limit {
			streams.Messagef("there may be more: --after %s", people[len(people)-1].ID)
		}
		return nil
	})
}

type memberShowCmd struct {
	ID   string `arg:"" help:"The member's id, as find prints it."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c memberShowCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		p, err := core.Members.Person(ctx, c.ID)
		if err != nil {
			return err
		}
		accounts, err := core.Imports.Accounts(ctx, c.ID)
		if err != nil {
			return err
		}
		return printPerson(streams.Out, p, c.JSON, accounts...)
	})
}

type memberExportCmd struct {
	Out    string       `help:"The file to write or replace; standard output by default." type:"path" placeholder:"FILE"`
	Format sheet.Format `enum:"csv,xlsx" default:"csv" help:"The format of the file: csv or xlsx."`
}

func (c memberExportCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "exportMembers", audit.Target{}, func(ctx context.Context, core *app.Core) error {
		if c.Out == "" {
			return core.Members.Export(ctx, streams.Raw, sheet.File{Format: c.Format})
		}
		return replaceFile(c.Out, func(f *os.File) error { return core.Members.Export(ctx, f, sheet.File{Format: c.Format}) })
	})
}

type memberExportPersonCmd struct {
	ID  string `arg:"" help:"The member's id, as find prints it."`
	Out string `help:"The file to write or replace; standard output by default." type:"path" placeholder:"FILE"`
}

// personRecords is the JSON of all that is stored of a person.
type personRecords struct {
	MemberID   string                      `json:"member_id"`
	ExportedAt time.Time                   `json:"exported_at"`
	Tables     map[string][]map[string]any `json:"tables"`
	Accounts   []jsonAccount               `json:"accounts"` // what is decrypted of table imported
}

func (c memberExportPersonCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "exportPerson", audit.Target{Subject: c.ID}, func(ctx context.Context, core *app.Core) error {
		tables, err := core.Members.Records(ctx, c.ID)
		if err != nil {
			return err
		}
		accounts, err := core.Imports.Accounts(ctx, c.ID)
		if err != nil {
			return err
		}
		all := personRecords{c.ID, time.Now().UTC(), map[string][]map[string]any{}, []jsonAccount{}}
		for _, t := range tables {
			all.Tables[t.Name] = append([]map[string]any{}, t.Rows...)
		}
		for _, a := range accounts {
			all.Accounts = append(all.Accounts, jsonAccountOf(a))
		}
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
		shown := command.VisibleJSON(text.Bytes())
		if c.Out != "" {
			return replaceFile(c.Out, func(f *os.File) error { _, err := f.Write(shown); return err })
		}
		_, err = streams.Out.Write(shown)
		return err
	})
}

type memberDeleteCmd struct {
	ID  string `arg:"" help:"The id, as find prints it."`
	Yes bool   `help:"Confirm; without it the command only shows what it would delete."`

	Unavailable *bool `negatable:"" help:"Also make the codes unavailable at WeChat, for good. Without it a terminal is asked; the default is no."`
}

func (c memberDeleteCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if !c.Yes {
		return g.withCore(ctx, streams, func(core *app.Core) error {
			if err := c.show(ctx, core, streams); err != nil {
				return err
			}
			return command.Usagef("nothing was deleted: this cannot be undone; confirm with --yes")
		})
	}
	return g.withRecord(ctx, streams, "eraseMember", audit.Target{Subject: c.ID}, func(ctx context.Context, core *app.Core) error {
		err := c.erase(ctx, core, streams)
		if !errors.Is(err, member.ErrMemberUnknown) {
			return err
		}
		if failed := core.Members.EraseImported(ctx, c.ID); !errors.Is(failed, member.ErrAccountUnknown) {
			err = failed
		}
		if err == nil {
			streams.Messagef("deleted: the data of the imported account")
		}
		return err
	})
}

// show prints the member or the imported account that would be deleted.
func (c memberDeleteCmd) show(ctx context.Context, core *app.Core, streams command.Streams) error {
	p, err := core.Members.Person(ctx, c.ID)
	if err == nil {
		return printPerson(streams.Out, p, false)
	}
	if !errors.Is(err, member.ErrMemberUnknown) {
		return err
	}
	accounts, failed := core.Imports.Waiting(ctx, c.ID, 1)
	if failed != nil || len(accounts) == 0 || accounts[0].ID != c.ID {
		return cmp.Or(failed, err)
	}
	return printWaiting(streams.Out, accounts[0], false)
}

func (c memberDeleteCmd) erase(ctx context.Context, core *app.Core, streams command.Streams) error {
	p, err := core.Members.Person(ctx, c.ID)
	if err != nil {
		return err
	}
	if !c.unavailable(streams, p) {
		if err := core.Members.Erase(ctx, c.ID); err != nil {
			return err
		}
		streams.Messagef("deleted; WeChat was not called: cards that are in the wallet stay there")
		return nil
	}
	codes, err := core.Members.EraseWithCodes(ctx, c.ID)
	if codes > 0 {
		streams.Messagef("codes made unavailable at WeChat: %d", codes)
	}
	if err != nil {
		return err
	}
	streams.Messagef("deleted")
	return nil
}

// unavailable reports whether to make the member's codes unavailable at WeChat. It asks
// for that if the member has any and a terminal can answer.
func (c memberDeleteCmd) unavailable(streams command.Streams, p member.Person) bool {
	if c.Unavailable != nil {
		return *c.Unavailable
	}
	codes := 0
	for _, card := range p.Cards {
		if !card.Ended() {
			codes++
		}
	}
	if in, ok := streams.In.(*os.File); codes == 0 || !ok || !command.IsTerminal(in) {
		return false
	}
	return confirm(streams, fmt.Sprintf("Make the codes unavailable at WeChat too (%d)? That cannot be undone either.", codes))
}

// The JSON of a member, as GET /v1/members returns it.
type (
	jsonPerson struct {
		ID         string         `json:"id"`
		CreatedAt  time.Time      `json:"created_at"`
		Phone      string         `json:"phone,omitempty"`
		Identities []jsonIdentity `json:"identities"`
		Cards      []jsonCard     `json:"cards"`
		Accounts   []jsonAccount  `json:"accounts,omitempty"`
	}
	jsonAccount struct {
		ID               string    `json:"id"`
		ImportID         string    `json:"import_id,omitempty"`
		Import           string    `json:"import,omitempty"`
		CardID           string    `json:"card_id"`
		MembershipNumber string    `json:"membership_number,omitempty"`
		Bonus            int64     `json:"bonus"`
		Balance          int64     `json:"balance"`
		Phone            string    `json:"phone,omitempty"`
		Name             string    `json:"name,omitempty"`
		Note             string    `json:"note,omitempty"`
		CreatedAt        time.Time `json:"created_at"`
		BoundAt          time.Time `json:"bound_at,omitzero"`
		JoinedAt         time.Time `json:"joined_at,omitzero"`
		Code             string    `json:"code,omitempty"`
	}
	jsonIdentity struct {
		AppID   string `json:"app_id"`
		OpenID  string `json:"openid"`
		UnionID string `json:"unionid,omitempty"`
	}
	jsonCard struct {
		CardID           string    `json:"card_id"`
		Code             string    `json:"code"`
		Status           string    `json:"status"`
		MembershipNumber string    `json:"membership_number,omitempty"`
		Bonus            int64     `json:"bonus"`
		Balance          int64     `json:"balance"`
		OuterStr         string    `json:"outer_str,omitempty"`
		ClaimedAt        time.Time `json:"claimed_at,omitzero"`
		ActivatedAt      time.Time `json:"activated_at,omitzero"`
	}
)

func printPerson(w io.Writer, p member.Person, asJSON bool, accounts ...importer.Account) error {
	if asJSON {
		out := jsonPerson{ID: p.ID, CreatedAt: p.CreatedAt, Identities: []jsonIdentity{}, Cards: []jsonCard{}}
		if p.Phone != "" {
			out.Phone = phone.Mask(p.Phone)
		}
		for _, id := range p.Identities {
			out.Identities = append(out.Identities, jsonIdentity{id.AppID, id.OpenID, id.UnionID})
		}
		for _, c := range p.Cards {
			out.Cards = append(out.Cards, jsonCard{
				c.CardID, c.Code, string(c.Status), c.MembershipNumber, c.Bonus, c.Balance, c.OuterStr, c.ClaimedAt, c.ActivatedAt,
			})
		}
		for _, a := range accounts {
			out.Accounts = append(out.Accounts, jsonAccountOf(a))
		}
		return printJSON(w, out)
	}
	t := newTable(w)
	t.row("member\t%s\tsince %s", p.ID, p.CreatedAt.Format(time.DateTime))
	if p.Phone != "" {
		t.row("  phone\t%s\tverified", phone.Mask(p.Phone))
	}
	for _, id := range p.Identities {
		t.row("  openid\t%s\tin %s\t%s", id.OpenID, id.AppID, id.UnionID)
	}
	for _, c := range p.Cards {
		t.row("  %s\t%s\tcard %s\tbonus %d\tbalance %s", c.Status, c.Code, c.CardID, c.Bonus, yuan(c.Balance))
	}
	for _, a := range accounts {
		t.row("  imported\t%s\tfrom %s\tbonus %d\tbalance %s\t%s", a.JoinedCode, a.ImportName, a.Bonus, yuan(a.Balance),
			strings.TrimSpace(a.Phone+" "+a.Name+" "+a.Note))
	}
	return t.flush()
}

// printWaiting prints an imported account that waits for its person; in JSON as the
// account of a member without an id.
func printWaiting(w io.Writer, a importer.Account, asJSON bool) error {
	if asJSON {
		return printJSON(w, map[string]any{"accounts": []jsonAccount{jsonAccountOf(a)}})
	}
	t := newTable(w)
	t.row("imported\t%s\tfrom %s, waits for its person", a.ID, a.ImportName)
	t.row("  waiting\t%s\tcard %s\tbonus %d\tbalance %s\t%s", a.Code, a.CardID, a.Bonus, yuan(a.Balance),
		strings.TrimSpace(a.Phone+" "+a.Name+" "+a.Note))
	return t.flush()
}

func jsonAccountOf(a importer.Account) jsonAccount {
	return jsonAccount{
		a.ID, a.ImportID, a.ImportName, a.CardID, a.MembershipNumber, a.Bonus, a.Balance, a.Phone, a.Name, a.Note,
		a.CreatedAt, a.BoundAt, a.JoinedAt, a.JoinedCode,
	}
}
