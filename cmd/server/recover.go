package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/recovery"
)

type recoverCmd struct {
	Status recoverStatusCmd `cmd:"" help:"Show how far the recovery is, and which cards differ from their faces."`
	Adopt  recoverAdoptCmd  `cmd:"" help:"Make the ledgers of the cards that differ equal to their faces."`
	Finish recoverFinishCmd `cmd:"" help:"End the recovery."`
	Begin  recoverBeginCmd  `cmd:"" help:"Begin the recovery of a database that another tool has restored; stop the servers first."`
}

type recoverStatusCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// recoveryStatus is the JSON of recover status.
type recoveryStatus struct {
	State       string               `json:"state"` // none, waiting, looking, looked, ended
	CopiedAt    *time.Time           `json:"copied_at,omitempty"`
	BeganAt     *time.Time           `json:"began_at,omitempty"`
	EndedAt     *time.Time           `json:"ended_at,omitempty"`
	Cards       map[string]int64     `json:"cards"`
	Found       int64                `json:"found"`
	Differences []recoveryDifference `json:"differences"`
}

type recoveryDifference struct {
	CardID      string    `json:"card_id"`
	Code        string    `json:"code"`
	State       string    `json:"state"`
	Bonus       int64     `json:"bonus"`
	Balance     int64     `json:"balance"`
	FaceBonus   int64     `json:"face_bonus"`
	FaceBalance int64     `json:"face_balance"`
	LookedAt    time.Time `json:"looked_at"`
}

func (c recoverStatusCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCore(ctx, streams, func(core *app.Core) error {
		st, err := core.Recovery.Status(ctx)
		if err != nil {
			return err
		}
		result := recoveryStatus{
			State: stageOf(st.State), CopiedAt: set(st.CopiedAt), BeganAt: set(st.BeganAt), EndedAt: set(st.EndedAt),
			Cards: st.Cards, Found: st.Found, Differences: []recoveryDifference{},
		}
		for after := (recovery.Key{}); ; {
			list, err := core.Recovery.Differences(ctx, after, 1000)
			if err != nil {
				return err
			}
			for _, d := range list {
				after = recovery.Key{First: d.CardID, Second: d.Code}
				result.Differences = append(result.Differences, recoveryDifference(d))
			}
			if len(list) == 0 {
				break
			}
		}
		if c.JSON {
			return printJSON(streams.Out, result)
		}
		return result.print(streams.Out)
	})
}

// set returns nil for a time that is not known.
func set(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func stageOf(st recovery.State) string {
	switch {
	case st.Active() && st.BeganAt.IsZero():
		return "waiting"
	case st.Active() && st.Phase < recovery.PhaseDone:
		return "looking"
	case st.Active():
		return "looked"
	case !st.EndedAt.IsZero():
		return "ended"
	}
	return "none"
}

func (r recoveryStatus) print(w io.Writer) error {
	t := newTable(w)
	t.row("%s", map[string]string{
		"none":    "there is no recovery: the database was never restored",
		"waiting": "the database is a copy; the recovery begins when a server starts",
		"looking": "the server is comparing the cards with WeChat; run this again later",
		"looked": "everything was compared; \"server recover adopt\" takes the figures of the faces, " +
			"\"server recover finish\" ends the recovery",
		"ended": "the recovery has ended",
	}[r.State])
	for _, at := range []struct {
		what string
		time *time.Time
	}{{"the copy was made", r.CopiedAt}, {"the recovery began", r.BeganAt}, {"it ended", r.EndedAt}} {
		if at.time != nil {
			t.row("%s at\t%s", at.what, at.time.Local().Format(time.DateTime))
		}
	}
	for _, state := range []struct{ name, means string }{
		{recovery.Unread, "have not been compared; nothing is sent or booked"},
		{recovery.Equal, "are equal to their faces"},
		{recovery.Unsent, "have entries that the copy had not sent; they are sent"},
		{recovery.Differs, "differ from their faces; nothing is sent or booked"},
		{recovery.Adopted, "were made equal to their faces"},
		{recovery.Absent, "are in no wallet any more"},
		{recovery.Left, "were left as they are"},
	} {
		if n := r.Cards[state.name]; n > 0 {
			t.row("%d cards\t%s", n, state.means)
		}
	}
	if r.Found > 0 {
		t.row("%d cards\tthat came since the copy were found", r.Found)
	}
	if err := t.flush(); err != nil || len(r.Differences) == 0 {
		return err
	}
	t = newTable(w)
	t.row("\nCARD\tCODE\tSTATE\tLEDGER\tFACE")
	for _, d := range r.Differences {
		t.row("%s\t%s\t%s\t%d, %s\t%d, %s", d.CardID, d.Code, d.State, d.Bonus, yuan(d.Balance), d.FaceBonus, yuan(d.FaceBalance))
	}
	return t.flush()
}

type recoverAdoptCmd struct{}

func (recoverAdoptCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "adoptFigures", audit.Target{}, func(ctx context.Context, core *app.Core) error {
		n := 0
		report := doing(streams)
		err := core.Recovery.Adopt(ctx, func(d recovery.Difference) {
			n++
			report("adopting " + d.CardID)
		})
		streams.Messagef("cards made equal to their faces: %d", n)
		if errors.Is(err, recovery.ErrNoRecovery) {
			return command.Usagef("%w", err)
		}
		return err
	})
}

type recoverFinishCmd struct {
	Leave bool `help:"End it although cards differ or were not compared. The next push of such a card overwrites its face."`
}

func (c recoverFinishCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "finishRecovery", audit.Target{}, func(ctx context.Context, core *app.Core) error {
		err := core.Recovery.Finish(ctx, c.Leave)
		switch {
		case errors.Is(err, recovery.ErrNoRecovery):
			return command.Usagef("%w", err)
		case errors.Is(err, recovery.ErrUnfinished):
			return command.Usagef("%w: run a server until \"server recover status\" says that everything was compared, or use --leave", err)
		case errors.Is(err, recovery.ErrDiffering):
			return command.Usagef("%w: run \"server recover adopt\", or use --leave", err)
		case err != nil:
			return err
		}
		streams.Messagef("the recovery has ended; pushes go on within a minute")
		return nil
	})
}

type recoverBeginCmd struct{}

func (recoverBeginCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withRecord(ctx, streams, "beginRecovery", audit.Target{}, func(ctx context.Context, core *app.Core) error {
		if err := core.Recovery.Restart(ctx); err != nil {
			return err
		}
		streams.Messagef("the recovery has begun: start the server, and run server recover status")
		return nil
	})
}
