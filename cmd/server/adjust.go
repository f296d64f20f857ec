package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/member"
)

type memberAdjustCmd struct {
	CardID        string `arg:"" name:"card-id" help:"The card."`
	Code          string `arg:"" help:"The member's code of it."`
	Bonus         int64  `help:"Points to add, below 0 to take away."`
	Balance       int64  `help:"Fen (分) to add, below 0 to take away."`
	Record        string `help:"What the holder reads about the points, at most 14 汉字."`
	BalanceRecord string `help:"What the holder reads about the money, at most 14 汉字."`
	Reverses      string `help:"The id of an entry to undo, instead of amounts." placeholder:"ENTRY"`
	Silent        bool   `help:"The holder gets no message from WeChat."`
	Key           string `help:"Names what is done: with the same key it is done once however often it is said. Drawn at random by default."`
}

// Help implements kong.HelpProvider.
func (memberAdjustCmd) Help() string {
	return `Books one entry in the ledger of a member's card and prints it; a running server tells WeChat. Examples:
  server member adjust pSimJF1ZAk3Qp13fGN4klU5VShHQ 7810727245995652 --bonus=50 --record=生日礼物 --key=birthday-2026-77
  server member adjust pSimJF1ZAk3Qp13fGN4klU5VShHQ 7810727245995652 --balance=-500 --balance-record=退款 --silent`
}

func (c *memberAdjustCmd) booking() member.Booking {
	return member.Booking{
		AddBonus: c.Bonus, AddBalance: c.Balance, RecordBonus: c.Record, RecordBalance: c.BalanceRecord,
		NotifyBonus: !c.Silent, NotifyBalance: !c.Silent, Reverses: c.Reverses,
	}
}

func (c *memberAdjustCmd) check() error {
	changes := c.Bonus != 0 || c.Balance != 0
	for name, text := range map[string]string{"--record": c.Record, "--balance-record": c.BalanceRecord} {
		if len(text) > member.MaxRecord || strings.ContainsFunc(text, unicode.IsControl) {
			return command.Usagef("%s: at most %d bytes, 14 汉字, without control characters", name, member.MaxRecord)
		}
	}
	switch {
	case c.Reverses != "" && changes:
		return command.Usagef("--reverses: stands alone, without amounts")
	case c.Reverses == "" && !changes:
		return command.Usagef("say what to change: --bonus, --balance, or --reverses")
	case max(c.Bonus, -c.Bonus, c.Balance, -c.Balance) > member.MaxAdd:
		return command.Usagef("--bonus, --balance: at most %d either way", int64(member.MaxAdd))
	}
	return nil
}

// Run books the entry.
func (c *memberAdjustCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	if err := c.check(); err != nil {
		return err
	}
	b := c.booking()
	asked, err := json.Marshal(b)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(asked)
	key := c.Key
	if key == "" {
		key = uuid.NewString()
	}
	return g.withCore(ctx, io, func(core *app.Core) error {
		answer, replayed, err := core.Members.AddEntry(ctx, c.CardID, c.Code, b, member.Request{
			ID: "server member adjust", Route: "server member adjust " + c.CardID + " " + c.Code, Key: key,
			Payload: hex.EncodeToString(hash[:]), Answer: adjusted,
		})
		if err != nil {
			return refusal(err)
		}
		if replayed {
			_, _ = fmt.Fprintln(io.Err, "this was done before, under the same key:")
		}
		_, err = io.Out.Write(answer)
		return err
	})
}

// adjusted is what is printed of an entry, and kept with it.
func adjusted(e member.Entry) ([]byte, error) {
	return fmt.Appendf(nil, "entry %s  no. %d\n  bonus    %+d  now %d\n  balance  %s  now %s\n",
		e.ID, e.Seq, e.AddBonus, e.Bonus, signed(e.AddBalance), yuan(e.Balance)), nil
}

// signed is yuan with a sign.
func signed(fen int64) string {
	if fen < 0 {
		return "-" + yuan(-fen)
	}
	return "+" + yuan(fen)
}

// refusal says a refusal of the ledger in the words of the command line.
func refusal(err error) error {
	for cause, words := range map[error]string{
		member.ErrCodeUnknown:         "the card has no such code",
		member.ErrNotHeld:             "nobody holds the card: it was not taken yet, was given away, or was made unavailable",
		member.ErrInsufficientBonus:   "the bonus does not suffice; nothing was written",
		member.ErrInsufficientBalance: "the balance does not suffice; nothing was written",
		member.ErrTooMuch:             "the total would be too large; nothing was written",
		member.ErrEntryUnknown:        "the card has no such entry to reverse",
		member.ErrNotReversible:       "the entry is a reversal itself, or was reversed before",
		member.ErrKeyReused:           "the key was used for something else before; nothing was written",
	} {
		if errors.Is(err, cause) {
			return errors.New(words)
		}
	}
	return err
}
