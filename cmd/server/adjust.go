package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/ledger"
)

type memberAdjustCmd struct {
	CardID        string `arg:"" name:"card-id" help:"The card_id."`
	Code          string `arg:"" help:"The member's code of the card."`
	Bonus         int64  `help:"Points to add; below 0 to take away."`
	Balance       int64  `help:"Fen (分) to add; below 0 to take away."`
	Record        string `help:"The text that the holder reads about the points, at most 14 汉字."`
	BalanceRecord string `help:"The text that the holder reads about the money, at most 14 汉字."`
	Reverses      string `help:"The id of an entry to reverse, instead of amounts." placeholder:"ENTRY"`
	Partial       bool   `help:"With --reverses: if what the entry added was spent, take back what is left."`
	Store         string `help:"Your name of the store, at most 64 bytes; the holder does not see it."`
	Order         string `help:"Your number of the order, at most 64 bytes; the holder does not see it."`
	Silent        bool   `help:"Do not notify the holder."`
	Key           string `help:"Idempotency key: all calls with the same key add one entry. Random by default."`
}

func (c *memberAdjustCmd) booking() ledger.Booking {
	return ledger.Booking{
		AddBonus: c.Bonus, AddBalance: c.Balance, RecordBonus: c.Record, RecordBalance: c.BalanceRecord,
		NotifyBonus: !c.Silent, NotifyBalance: !c.Silent, Reverses: c.Reverses, Partial: c.Partial,
		Store: c.Store, Order: c.Order,
	}
}

func (c *memberAdjustCmd) check() error {
	changes := c.Bonus != 0 || c.Balance != 0
	for name, text := range map[string]string{"--record": c.Record, "--balance-record": c.BalanceRecord} {
		if !isText(text, ledger.MaxRecord) {
			return command.Usagef("%s: at most %d bytes, 14 汉字, without control characters", name, ledger.MaxRecord)
		}
	}
	for name, text := range map[string]string{"--store": c.Store, "--order": c.Order} {
		if !isText(text, ledger.MaxLabel) {
			return command.Usagef("%s: at most %d bytes, without control characters", name, ledger.MaxLabel)
		}
	}
	switch {
	case c.Reverses != "" && changes:
		return command.Usagef("--reverses cannot be combined with amounts")
	case c.Reverses == "" && c.Partial:
		return command.Usagef("--partial is only for --reverses")
	case c.Reverses == "" && !changes:
		return command.Usagef("--bonus, --balance or --reverses is required")
	case max(c.Bonus, -c.Bonus, c.Balance, -c.Balance) > ledger.MaxAdd:
		return command.Usagef("--bonus, --balance: must be between -%[1]d and %[1]d", int64(ledger.MaxAdd))
	}
	return nil
}

func (c *memberAdjustCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if err := c.check(); err != nil {
		return err
	}
	booking := c.booking()
	payload, err := json.Marshal(booking)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(payload)
	key := c.Key
	if key == "" {
		key = uuid.NewString()
	}
	return g.withCore(ctx, streams, func(core *app.Core) error {
		answer, replayed, err := core.Ledger.AddEntry(ctx, c.CardID, c.Code, booking, ledger.Request{
			ID: "server member adjust", Route: "server member adjust " + c.CardID + " " + c.Code, Key: key,
			Payload: hex.EncodeToString(hash[:]), Answer: entryText, Actor: cliActor(),
			NoBalance: booking.AddBalance > 0 && showsNoBalance(ctx, core, c.CardID),
		})
		if err != nil {
			return entryError(err)
		}
		if replayed {
			streams.Messagef("an earlier call with this key added the entry:")
		}
		_, err = streams.Out.Write(answer)
		return err
	})
}

// entryText returns what is printed about an entry and stored with it.
func entryText(e ledger.Entry) ([]byte, error) {
	text := fmt.Appendf(nil, "entry %s  no. %d\n  bonus    %+d  now %d\n  balance  %s  now %s\n",
		e.ID, e.Seq, e.AddBonus, e.Bonus, signedYuan(e.AddBalance), yuan(e.Balance))
	if e.MissingBonus > 0 || e.MissingBalance > 0 {
		text = fmt.Appendf(text, "  could not be taken back: bonus %d, balance %s\n", e.MissingBonus, yuan(e.MissingBalance))
	}
	return text, nil
}

// showsNoBalance reports whether the catalogue has the card, as one without a balance.
func showsNoBalance(ctx context.Context, core *app.Core, cardID string) bool {
	kind, err := core.Operator.Get(ctx, cardID)
	return err == nil && !kind.SupplyBalance
}

// entryError returns an error with a message for the command line.
func entryError(err error) error {
	for cause, message := range map[error]string{
		ledger.ErrCodeUnknown:         "the card has no such code",
		ledger.ErrNotHeld:             "the card has no holder: it was not claimed yet, was given away, or was made unavailable",
		ledger.ErrInsufficientBonus:   "insufficient bonus; nothing was written",
		ledger.ErrInsufficientBalance: "insufficient balance; nothing was written",
		ledger.ErrNoBalance: "--balance: the card shows no balance; nothing was written. " +
			"Set supply_balance to true with server card update; WeChat must have granted the account stored value",
		ledger.ErrTooMuch:       "the total would be too large; nothing was written",
		ledger.ErrEntryUnknown:  "the card has no such entry to reverse",
		ledger.ErrNotReversible: "the entry is a reversal, or was reversed before",
		ledger.ErrKeyReused:     "the key was used for another entry; nothing was written",
	} {
		if errors.Is(err, cause) {
			return errors.New(message)
		}
	}
	return err
}
