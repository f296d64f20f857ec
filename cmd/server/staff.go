package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/staff"
)

type staffCmd struct {
	List   staffListCmd   `cmd:"" help:"List the people of the shop, and what they sign in with."`
	Add    staffAddCmd    `cmd:"" help:"Add a manager or a cashier."`
	Token  staffTokenCmd  `cmd:"" help:"Make a token for a program of a person."`
	Revoke staffRevokeCmd `cmd:"" help:"End a token, a session or a link."`
	Remove staffRemoveCmd `cmd:"" help:"Remove a person: all sessions and tokens end."`
}

type staffListCmd struct {
	JSON bool `name:"json" help:"Print JSON, one person a line."`
}

func (c staffListCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		people, err := core.Staff.People(ctx)
		if err != nil {
			return err
		}
		t := newTable(streams.Out)
		for _, p := range people {
			if c.JSON {
				if err := printJSON(streams.Out, jsonStaffOf(p)); err != nil {
					return err
				}
				continue
			}
			t.row("%s\t%s\t%s", p.Role, p.Name, p.ID)
			for _, k := range p.Keys {
				t.row("\t  %s %s\t%s\tused %s\tends %s", k.Kind, k.Label, k.ID, orNever(k.UsedAt), orNever(k.ExpiresAt))
			}
		}
		return t.flush()
	})
}

// orNever returns t, or "never" if it is zero.
func orNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.DateTime)
}

// The JSON of a person, as GET /v1/staff returns it.
type (
	jsonStaff struct {
		ID        string    `json:"id"`
		Name      string    `json:"name"`
		Role      string    `json:"role"`
		CreatedAt time.Time `json:"created_at,omitzero"`
		Keys      []jsonKey `json:"keys"`
	}
	jsonKey struct {
		ID        string    `json:"id"`
		Kind      string    `json:"kind"`
		Label     string    `json:"label,omitempty"`
		CreatedAt time.Time `json:"created_at"`
		ExpiresAt time.Time `json:"expires_at,omitzero"`
		UsedAt    time.Time `json:"used_at,omitzero"`
	}
)

func jsonStaffOf(p staff.Person) jsonStaff {
	out := jsonStaff{p.ID, p.Name, string(p.Role), p.CreatedAt, []jsonKey{}}
	for _, k := range p.Keys {
		out.Keys = append(out.Keys, jsonKey{k.ID, string(k.Kind), k.Label, k.CreatedAt, k.ExpiresAt, k.UsedAt})
	}
	return out
}

type staffAddCmd struct {
	Name string `arg:"" help:"The person's name, at most 64 bytes."`
	Role string `enum:"manager,cashier" default:"cashier" help:"manager or cashier."`
}

func (c staffAddCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if c.Name == "" || !isText(c.Name, staff.MaxName) {
		return command.Usagef("the name: one line of at most %d bytes", staff.MaxName)
	}
	return g.withRecord(ctx, streams, "addStaff", audit.Target{}, func(ctx context.Context, core *app.Core) error {
		p, err := core.Staff.Add(ctx, c.Name, staff.Role(c.Role))
		if err != nil {
			return staffError(err)
		}
		return command.Printf(streams.Out, "%s\n", p.ID)
	})
}

type staffTokenCmd struct {
	ID    string `arg:"" help:"The person's id, as list prints it."`
	Label string `help:"What the token is for, at most 64 bytes." placeholder:"TEXT"`
}

func (c staffTokenCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if !isText(c.Label, staff.MaxName) {
		return command.Usagef("--label: one line of at most %d bytes", staff.MaxName)
	}
	on := audit.Target{Subject: c.ID}
	return g.withRecord(ctx, streams, "newStaffToken", on, func(ctx context.Context, core *app.Core) error {
		secret, _, err := core.Staff.NewToken(ctx, c.ID, c.Label)
		if err != nil {
			return staffError(err)
		}
		streams.Messagef("the token is shown only now:")
		return command.Printf(streams.Out, "%s\n", secret)
	})
}

type staffRevokeCmd struct {
	ID  string `arg:"" help:"The person's id, as list prints it."`
	Key string `arg:"" help:"The id of the token, session or link."`
}

func (c staffRevokeCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	on := audit.Target{Subject: c.ID}
	return g.withRecord(ctx, streams, "revokeStaffKey", on, func(ctx context.Context, core *app.Core) error {
		return staffError(core.Staff.Revoke(ctx, c.ID, c.Key))
	})
}

type staffRemoveCmd struct {
	ID string `arg:"" help:"The person's id, as list prints it."`
}

func (c staffRemoveCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	on := audit.Target{Subject: c.ID}
	return g.withRecord(ctx, streams, "removeStaff", on, func(ctx context.Context, core *app.Core) error {
		p, err := core.Staff.Remove(ctx, c.ID)
		if err != nil {
			return staffError(err)
		}
		streams.Messagef("removed %s; running servers refuse the sessions and tokens within a second", strings.TrimSpace(p.Name))
		return nil
	})
}

// staffError returns an error with a message for the command line.
func staffError(err error) error {
	switch {
	case errors.Is(err, staff.ErrNotFound):
		return errors.New("there is no such person or key; \"server staff list\" prints them")
	case errors.Is(err, staff.ErrNameTaken):
		return errors.New("another person has this name, or it is reserved")
	case errors.Is(err, staff.ErrTooMany):
		return fmt.Errorf("there are at most %d people, each with at most %d tokens", staff.MaxPeople, staff.MaxKeys)
	}
	return err
}
