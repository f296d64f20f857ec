package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/card"
)

type cardCmd struct {
	Template    cardTemplateCmd    `cmd:"" help:"Print the JSON of a first card, with comments."`
	Create      cardCreateCmd      `cmd:"" help:"Create a card and upload its pictures."`
	List        cardListCmd        `cmd:"" help:"List the cards of the catalogue."`
	Show        cardShowCmd        `cmd:"" help:"Read a card from WeChat and show it with its review."`
	Update      cardUpdateCmd      `cmd:"" help:"Change a card."`
	Whitelist   cardWhitelistCmd   `cmd:"" help:"Replace the testers, who can claim a card in review."`
	Settings    cardSettingsCmd    `cmd:"" help:"Show or change addcard's settings of a card."`
	QRCode      cardQRCodeCmd      `cmd:"" name:"qrcode" help:"Create a QR code that leads to a card."`
	Form        cardFormCmd        `cmd:"" help:"Set the form of a one-click card."`
	Deposit     cardDepositCmd     `cmd:"" help:"Deposit codes of a deposit card at WeChat."`
	Adopt       cardAdoptCmd       `cmd:"" help:"Record the cards that were in wallets before, with what their faces show."`
	Stock       cardStockCmd       `cmd:"" help:"Change the stock of a card."`
	Shelf       cardShelfCmd       `cmd:"" help:"Create a page that shows cards."`
	Unavailable cardUnavailableCmd `cmd:"" help:"Make a code unavailable for good."`
	Delete      cardDeleteCmd      `cmd:"" help:"Delete a card: it can no longer be claimed."`
}

type cardListCmd struct {
	JSON bool `name:"json" help:"Print JSON, one card a line."`
}

// listedCard is the JSON of a listed card.
type listedCard struct {
	CardID       string `json:"card_id"`
	Status       string `json:"status"`
	Title        string `json:"title"`
	CodeMode     string `json:"code_mode"`
	Quantity     int64  `json:"quantity"`
	Take         string `json:"take"`
	RefuseReason string `json:"refuse_reason,omitempty"`
}

func (c cardListCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withOperator(ctx, streams, func(o *card.Operator) error {
		cards, err := o.List(ctx)
		if err != nil {
			return err
		}
		table := newTable(streams.Out)
		for _, listed := range cards {
			if c.JSON {
				err = printJSON(streams.Out, listedCard{
					listed.ID, string(listed.Status), listed.Title, listed.CodeMode(), listed.Quantity, listed.ClaimMethod(),
					listed.RefuseReason,
				})
			} else {
				table.row("%s\t%s\t%s codes\tstock %d\t%s",
					listed.ID, review(listed.Status), listed.CodeMode(), listed.Quantity, listed.Title+because(listed))
			}
			if err != nil {
				return err
			}
		}
		if len(cards) == 0 {
			streams.Messagef(`the catalogue is empty: a running server reads the account's cards, and "server card create" creates one`)
		}
		return table.flush()
	})
}

// review returns the state of a card's review in a word.
func review(s card.Status) string {
	switch s {
	case card.NotVerified:
		return "in review"
	case card.VerifyFailed:
		return "refused"
	case card.Verified, card.Dispatched:
		return "approved"
	case card.Deleted:
		return "deleted"
	}
	return string(s)
}

// because returns why a card was refused, or "".
func because(c card.Card) string {
	if c.RefuseReason == "" {
		return ""
	}
	return ": " + c.RefuseReason
}

type cardShowCmd struct {
	ID   string `arg:"" help:"The card_id."`
	JSON bool   `name:"json" help:"Print WeChat's own JSON."`
}

func (c cardShowCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withOperator(ctx, streams, func(o *card.Operator) error {
		shown, raw, err := o.Show(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			_, err = fmt.Fprintf(streams.Out, "%s\n", command.VisibleJSON(raw))
			return err
		}
		t := newTable(streams.Out)
		t.row("card_id\t%s", shown.ID)
		t.row("review\t%s (%s)%s", review(shown.Status), shown.Status, because(shown))
		t.row("title\t%s", shown.Title)
		t.row("brand\t%s", shown.BrandName)
		t.row("codes\t%s", shown.CodeMode())
		t.row("stock\t%d left", shown.Quantity)
		methods := map[string]string{"add_card": "wx.addCard", "open_card": "the open-card component"}
		t.row("claimed with\t%s", methods[shown.ClaimMethod()])
		addSettings(t, shown)
		return t.flush()
	})
}

// addSettings adds the settings of c to a table.
func addSettings(t *table, c card.Card) {
	s := c.Settings
	t.row("activate on claim\t%t", c.ActivatesOnClaim())
	t.row("fixed begin\t%t", s.FixedBeginTimestamp)
	t.row("initial grant\t%d points, %s %s", s.InitBonus, yuan(s.InitBalance), s.InitBonusRecord)
}

type cardSettingsCmd struct {
	ID              string  `arg:"" help:"The card_id."`
	ActivateOnClaim *bool   `help:"Activate the card as soon as it is claimed." negatable:""`
	FixedBegin      *bool   `name:"fixed-begintimestamp" help:"For DATE_TYPE_FIX_TERM: validity begins when the code was issued." negatable:""`
	InitBonus       *int64  `help:"Points of the initial grant." placeholder:"N"`
	InitBalance     *int64  `help:"Fen (分) of the initial grant." placeholder:"N"`
	InitBonusRecord *string `help:"The text that the holder reads about it." placeholder:"TEXT"`
	JSON            bool    `name:"json" help:"Print JSON."`
}

// settings is the JSON of a card's settings.
type settings struct {
	ActivateOnClaim     bool   `json:"activate_on_claim"`
	FixedBeginTimestamp bool   `json:"fixed_begintimestamp"`
	InitBonus           int64  `json:"init_bonus"`
	InitBalance         int64  `json:"init_balance"`
	InitBonusRecord     string `json:"init_bonus_record"`
}

func (c cardSettingsCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	change := card.SettingsChange{
		ActivateOnClaim: c.ActivateOnClaim, FixedBeginTimestamp: c.FixedBegin,
		InitBonus: c.InitBonus, InitBalance: c.InitBalance, InitBonusRecord: c.InitBonusRecord,
	}
	show := func(ctx context.Context, o *card.Operator) error {
		changed, err := o.Settings(ctx, c.ID, change)
		if err != nil {
			return err
		}
		if c.JSON {
			s := changed.Settings
			return printJSON(streams.Out, settings{
				changed.ActivatesOnClaim(), s.FixedBeginTimestamp, s.InitBonus, s.InitBalance, s.InitBonusRecord,
			})
		}
		t := newTable(streams.Out)
		addSettings(t, changed)
		return t.flush()
	}
	if change == (card.SettingsChange{}) {
		return g.withOperator(ctx, streams, func(o *card.Operator) error { return show(ctx, o) })
	}
	return g.changing(ctx, streams, "settings", audit.Target{CardID: c.ID}, show)
}

type cardWhitelistCmd struct {
	OpenID   []string `name:"openid" help:"An openid in the Official Account; may be repeated." placeholder:"OPENID"`
	Username []string `help:"A WeChat ID; may be repeated." placeholder:"NAME"`
	Clear    bool     `help:"Remove all testers."`
}

func (c cardWhitelistCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if testers := len(c.OpenID) + len(c.Username); c.Clear == (testers > 0) {
		return command.Usagef("nothing was changed: the whole list is replaced; name all testers with --openid and --username, " +
			"or remove them all with --clear")
	}
	return g.changing(ctx, streams, "whitelist", audit.Target{}, func(ctx context.Context, o *card.Operator) error {
		if err := o.Whitelist(ctx, c.OpenID, c.Username); err != nil {
			return err
		}
		streams.Messagef("%d testers", len(c.OpenID)+len(c.Username))
		return nil
	})
}

type cardStockCmd struct {
	ID    string `arg:"" help:"The card_id."`
	Delta int64  `arg:"" help:"The number to add; below 0 to take away."`
}

func (c cardStockCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.changing(ctx, streams, "stock", audit.Target{CardID: c.ID}, func(ctx context.Context, o *card.Operator) error {
		if err := o.Stock(ctx, c.ID, c.Delta); err != nil {
			return err
		}
		streams.Messagef("the stock changed by %+d", c.Delta)
		return nil
	})
}

type cardUnavailableCmd struct {
	ID     string `arg:"" help:"The card_id."`
	Code   string `arg:"" help:"The code."`
	Reason string `help:"For WeChat's records." placeholder:"TEXT"`
	Yes    bool   `help:"Confirm: it cannot be undone."`
}

func (c cardUnavailableCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if !c.Yes {
		return command.Usagef("nothing was done: this cannot be undone; confirm with --yes")
	}
	on := audit.Target{CardID: c.ID, Code: c.Code}
	return g.changing(ctx, streams, "unavailable", on, func(ctx context.Context, o *card.Operator) error {
		return o.Unavailable(ctx, c.ID, c.Code, c.Reason)
	})
}

type cardDeleteCmd struct {
	ID  string `arg:"" help:"The card_id."`
	Yes bool   `help:"Confirm: it cannot be undone."`
}

func (c cardDeleteCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if !c.Yes {
		return command.Usagef("nothing was deleted: this cannot be undone; confirm with --yes")
	}
	return g.changing(ctx, streams, "deleteCard", audit.Target{CardID: c.ID}, func(ctx context.Context, o *card.Operator) error {
		if err := o.Delete(ctx, c.ID); err != nil {
			return err
		}
		streams.Messagef("deleted")
		return nil
	})
}

type cardQRCodeCmd struct {
	ID       string `arg:"" help:"The card_id."`
	Out      string `help:"Write the QR code as PNG to this file." type:"path" placeholder:"FILE.png"`
	OuterStr string `help:"The channel, which WeChat's events return." placeholder:"TEXT"`
	Expire   int64  `help:"Seconds, 60 to 1800; a year by default." placeholder:"SECONDS"`
	Code     string `help:"Required for real-time custom codes; such a QR code works once." placeholder:"CODE"`
	OpenID   string `name:"openid" help:"Required with bind_openid: the openid in the Official Account." placeholder:"OPENID"`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func (c cardQRCodeCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.changing(ctx, streams, "qrcode", audit.Target{CardID: c.ID}, func(ctx context.Context, o *card.Operator) error {
		t, err := o.QR(ctx, card.QRCode{
			CardID: c.ID, Code: c.Code, OpenID: c.OpenID, OuterStr: c.OuterStr, ExpireSeconds: c.Expire,
		})
		if err != nil {
			return err
		}
		if err := c.draw(t, streams); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(streams.Out, map[string]any{
				"ticket": t.Ticket, "url": t.URL, "show_qrcode_url": t.ShowURL, "expire_seconds": t.ExpireSeconds,
			})
		}
		return command.Printf(streams.Out, "%s\n", t.URL)
	})
}

// draw writes the QR code to the file, or to standard error unless JSON is wanted.
func (c cardQRCodeCmd) draw(t card.QRTicket, streams command.Streams) error {
	switch {
	case c.Out != "":
		picture, err := t.PNG()
		if err == nil {
			err = replaceFile(c.Out, func(f *os.File) error { _, err := f.Write(picture); return err })
		}
		if err != nil {
			return err
		}
		streams.Messagef("wrote %s", c.Out)
	case !c.JSON:
		drawing, err := t.Text()
		if err != nil {
			return err
		}
		_, err = io.WriteString(streams.Err, drawing+"\n")
		return err
	}
	return nil
}
