package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/card"
)

type cardCmd struct {
	Template    cardTemplateCmd    `cmd:"" help:"Print a starting card, with comments."`
	Create      cardCreateCmd      `cmd:"" help:"Create a card, uploading its pictures."`
	List        cardListCmd        `cmd:"" help:"List the account's cards, as the catalogue has them."`
	Show        cardShowCmd        `cmd:"" help:"Show a card as WeChat has it now, with its review."`
	Update      cardUpdateCmd      `cmd:"" help:"Change a card."`
	Whitelist   cardWhitelistCmd   `cmd:"" help:"Replace the testers, who may take a card that is in review."`
	Settings    cardSettingsCmd    `cmd:"" help:"Show or change addcard's own settings of a card."`
	QRCode      cardQRCodeCmd      `cmd:"" name:"qrcode" help:"Make a QR code that leads to a card."`
	Form        cardFormCmd        `cmd:"" help:"Set the form of a one-click card."`
	Deposit     cardDepositCmd     `cmd:"" help:"Hand WeChat the codes of a deposit card."`
	Stock       cardStockCmd       `cmd:"" help:"Change the stock of a card."`
	Shelf       cardShelfCmd       `cmd:"" help:"Make a page that shows cards."`
	Unavailable cardUnavailableCmd `cmd:"" help:"End a code for good."`
	Delete      cardDeleteCmd      `cmd:"" help:"Delete a card: nobody can take it any more."`
}

// Help implements kong.HelpProvider.
func (cardCmd) Help() string {
	return `docs/launch-a-card.md walks through them. Examples:
  server card template > card.jsonc
  server card create card.jsonc`
}

// operate runs f on the operator's services and makes what is wrong with the
// input readable.
func (g *globals) operate(ctx context.Context, io command.Streams, f func(*card.Operator) error) error {
	err := g.withCore(ctx, io, func(core *app.Core) error { return f(core.Operator) })
	var wrong *card.InvalidError
	if errors.As(err, &wrong) {
		var b strings.Builder
		b.WriteString("this is not valid:")
		for _, field := range wrong.Fields {
			fmt.Fprintf(&b, "\n  - %s: %s", strings.TrimPrefix(field.Path, "card."), field.Message)
		}
		return command.Usagef("%s", b.String())
	}
	return err
}

// words tells people something; nobody can be told if that fails.
func words(io command.Streams, format string, args ...any) {
	_, _ = fmt.Fprintf(io.Err, format+"\n", args...)
}

// printJSON writes v on one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

type cardListCmd struct {
	JSON bool `name:"json" help:"Print JSON, one card a line."`
}

// Help implements kong.HelpProvider.
func (cardListCmd) Help() string {
	return `Examples:
  server card list
  server card list --json`
}

type jsonListed struct {
	CardID   string `json:"card_id"`
	Status   string `json:"status"`
	Title    string `json:"title"`
	CodeMode string `json:"code_mode"`
	Quantity int64  `json:"quantity"`
	Take     string `json:"take"`
}

// Run lists the catalogue.
func (c cardListCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.operate(ctx, io, func(o *card.Operator) error {
		cards, err := o.List(ctx)
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
		for _, one := range cards {
			line := jsonListed{one.ID, string(one.Status), one.Title, one.CodeMode(), one.Quantity, one.Take()}
			if c.JSON {
				err = printJSON(io.Out, line)
			} else {
				_, err = fmt.Fprintf(t, "%s\t%s\t%s codes\tstock %d\t%s\n", line.CardID, review(one.Status), line.CodeMode, line.Quantity, line.Title)
			}
			if err != nil {
				return err
			}
		}
		if len(cards) == 0 {
			words(io, `the catalogue is empty: a running server reads the account's cards, and "server card create" makes one`)
		}
		return t.Flush()
	})
}

// review says in a word how the review stands.
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

type cardShowCmd struct {
	ID   string `arg:"" help:"The card_id."`
	JSON bool   `name:"json" help:"Print what WeChat has, word by word."`
}

// Help implements kong.HelpProvider.
func (cardShowCmd) Help() string {
	return `Asks WeChat, so it also brings the catalogue up to date. Examples:
  server card show pjZ8Yt1XGILfi-FUsewpnnolGgZk
  server card show pjZ8Yt1XGILfi-FUsewpnnolGgZk --json | python3 -m json.tool`
}

// Run shows one card.
func (c cardShowCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.operate(ctx, io, func(o *card.Operator) error {
		one, raw, err := o.Show(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			_, err = fmt.Fprintf(io.Out, "%s\n", raw)
			return err
		}
		var b strings.Builder
		fmt.Fprintf(&b, "card_id\t%s\n", one.ID)
		fmt.Fprintf(&b, "review\t%s (%s)\n", review(one.Status), one.Status)
		fmt.Fprintf(&b, "title\t%s\n", one.Title)
		fmt.Fprintf(&b, "brand\t%s\n", one.BrandName)
		fmt.Fprintf(&b, "codes\t%s\n", one.CodeMode())
		fmt.Fprintf(&b, "stock\t%d left\n", one.Quantity)
		fmt.Fprintf(&b, "taken by\t%s\n", map[string]string{"add_card": "wx.addCard", "open_card": "the open-card component"}[one.Take()])
		b.WriteString(settingsText(one))
		t := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
		if _, err := t.Write([]byte(b.String())); err != nil {
			return err
		}
		return t.Flush()
	})
}

func settingsText(c card.Card) string {
	s := c.Settings
	return fmt.Sprintf("activate on claim\t%t\nfixed begin\t%t\nbegins with\t%d points, %s %s\n",
		c.ActivatesOnClaim(), s.FixedBeginTimestamp, s.InitBonus, yuan(s.InitBalance), s.InitBonusRecord)
}

type cardSettingsCmd struct {
	ID              string  `arg:"" help:"The card_id."`
	ActivateOnClaim *bool   `help:"Activate the card as soon as it is taken." negatable:""`
	FixedBegin      *bool   `name:"fixed-begintimestamp" help:"Of a DATE_TYPE_FIX_TERM card: its validity begins when its code was issued." negatable:""`
	InitBonus       *int64  `help:"Points that a card begins with." placeholder:"N"`
	InitBalance     *int64  `help:"Fen (分) that a card begins with." placeholder:"N"`
	InitBonusRecord *string `help:"What the holder reads about it." placeholder:"TEXT"`
	JSON            bool    `name:"json" help:"Print JSON."`
}

type jsonSettings struct {
	ActivateOnClaim     bool   `json:"activate_on_claim"`
	FixedBeginTimestamp bool   `json:"fixed_begintimestamp"`
	InitBonus           int64  `json:"init_bonus"`
	InitBalance         int64  `json:"init_balance"`
	InitBonusRecord     string `json:"init_bonus_record"`
}

// Help implements kong.HelpProvider.
func (cardSettingsCmd) Help() string {
	return `What is not given stays. They are addcard's own: WeChat does not know them. Examples:
  server card settings pjZ8Yt1XGILfi-FUsewpnnolGgZk --json
  server card settings pjZ8Yt1XGILfi-FUsewpnnolGgZk --init-bonus 100 --init-bonus-record 开卡送积分`
}

// Run changes and prints the settings.
func (c cardSettingsCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.operate(ctx, io, func(o *card.Operator) error {
		one, err := o.Settings(ctx, c.ID, card.SettingsChange{
			ActivateOnClaim: c.ActivateOnClaim, FixedBeginTimestamp: c.FixedBegin,
			InitBonus: c.InitBonus, InitBalance: c.InitBalance, InitBonusRecord: c.InitBonusRecord,
		})
		if err != nil {
			return err
		}
		if c.JSON {
			s := one.Settings
			return printJSON(io.Out, jsonSettings{one.ActivatesOnClaim(), s.FixedBeginTimestamp, s.InitBonus, s.InitBalance, s.InitBonusRecord})
		}
		t := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
		if _, err := t.Write([]byte(settingsText(one))); err != nil {
			return err
		}
		return t.Flush()
	})
}

type cardWhitelistCmd struct {
	OpenID   []string `name:"openid" help:"An openid in the Official Account; may be repeated." placeholder:"OPENID"`
	Username []string `help:"A WeChat ID; may be repeated." placeholder:"NAME"`
}

// Help implements kong.HelpProvider.
func (cardWhitelistCmd) Help() string {
	return `Replaces the whole list; without arguments it is emptied. Testers may take a card before it is approved; their copy does not follow
later changes of the card. Examples:
  server card whitelist --username ming_wechat_id
  server card whitelist --openid oFS7Fjl0WsZ9AMZqrI80nbIq8xrA --openid oFS7Fjg0WsZ9AMZqrI80nbIq8xrB`
}

// Run replaces the list.
func (c cardWhitelistCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.operate(ctx, io, func(o *card.Operator) error {
		if err := o.Whitelist(ctx, c.OpenID, c.Username); err != nil {
			return err
		}
		words(io, "%d testers", len(c.OpenID)+len(c.Username))
		return nil
	})
}

type cardStockCmd struct {
	ID    string `arg:"" help:"The card_id."`
	Delta int64  `arg:"" help:"How many more; with a minus how many less."`
}

// Help implements kong.HelpProvider.
func (cardStockCmd) Help() string {
	return `Examples:
  server card stock pjZ8Yt1XGILfi-FUsewpnnolGgZk 500
  server card stock pjZ8Yt1XGILfi-FUsewpnnolGgZk -- -20`
}

// Run changes the stock.
func (c cardStockCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.operate(ctx, io, func(o *card.Operator) error {
		if err := o.Stock(ctx, c.ID, c.Delta); err != nil {
			return err
		}
		words(io, "the stock changed by %+d", c.Delta)
		return nil
	})
}

type cardUnavailableCmd struct {
	ID     string `arg:"" help:"The card_id."`
	Code   string `arg:"" help:"The code."`
	Reason string `help:"For WeChat's records." placeholder:"TEXT"`
	Yes    bool   `help:"Do it: it cannot be undone."`
}

// Help implements kong.HelpProvider.
func (cardUnavailableCmd) Help() string {
	return `The holder sees 失效. Examples:
  server card unavailable pjZ8Yt1XGILfi-FUsewpnnolGgZk 7810727245995652 --yes
  server card unavailable pjZ8Yt1XGILfi-FUsewpnnolGgZk 7810727245995652 --reason 挂失 --yes`
}

// Run ends the code.
func (c cardUnavailableCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	if !c.Yes {
		return command.Usagef("nothing was done: it cannot be undone, so it wants --yes")
	}
	return g.operate(ctx, io, func(o *card.Operator) error { return o.Unavailable(ctx, c.ID, c.Code, c.Reason) })
}

type cardDeleteCmd struct {
	ID  string `arg:"" help:"The card_id."`
	Yes bool   `help:"Do it: it cannot be undone."`
}

// Help implements kong.HelpProvider.
func (cardDeleteCmd) Help() string {
	return `Whoever holds the card keeps it. Examples:
  server card delete pjZ8Yt1XGILfi-FUsewpnnolGgZk
  server card delete pjZ8Yt1XGILfi-FUsewpnnolGgZk --yes`
}

// Run deletes the card.
func (c cardDeleteCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	if !c.Yes {
		return command.Usagef("nothing was deleted: it cannot be undone, so it wants --yes")
	}
	return g.operate(ctx, io, func(o *card.Operator) error {
		if err := o.Delete(ctx, c.ID); err != nil {
			return err
		}
		words(io, "deleted")
		return nil
	})
}

type cardQRCodeCmd struct {
	ID       string `arg:"" help:"The card_id."`
	Out      string `help:"Write the picture as PNG to this file." type:"path" placeholder:"FILE.png"`
	OuterStr string `help:"The channel; comes back in WeChat's events." placeholder:"TEXT"`
	Expire   int64  `help:"Seconds, 60 to 1800; a year by default." placeholder:"SECONDS"`
	Code     string `help:"Needed for a real-time custom-code card, whose picture works once." placeholder:"CODE"`
	OpenID   string `name:"openid" help:"Needed for a bind_openid card: the holder's in the Official Account." placeholder:"OPENID"`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (cardQRCodeCmd) Help() string {
	return `Prints what the picture says, and draws it on standard error. For printing take a card with system codes or deposited ones. Examples:
  server card qrcode pjZ8Yt1XGILfi-FUsewpnnolGgZk --outer-str door
  server card qrcode pjZ8Yt1XGILfi-FUsewpnnolGgZk --out card.png`
}

// Run makes the picture.
func (c cardQRCodeCmd) Run(ctx context.Context, g *globals, io command.Streams) error {
	return g.operate(ctx, io, func(o *card.Operator) error {
		t, err := o.QR(ctx, card.QRCode{CardID: c.ID, Code: c.Code, OpenID: c.OpenID, OuterStr: c.OuterStr, ExpireSeconds: c.Expire})
		if err != nil {
			return err
		}
		if c.Out != "" {
			picture, err := t.PNG()
			if err == nil {
				err = replaceFile(c.Out, func(f *os.File) error { _, err := f.Write(picture); return err })
			}
			if err != nil {
				return err
			}
			words(io, "wrote %s", c.Out)
		} else if !c.JSON {
			drawing, err := t.Text()
			if err != nil {
				return err
			}
			words(io, "%s", drawing)
		}
		if c.JSON {
			return printJSON(io.Out, map[string]any{"ticket": t.Ticket, "url": t.URL, "show_qrcode_url": t.ShowURL, "expire_seconds": t.ExpireSeconds})
		}
		_, err = fmt.Fprintln(io.Out, t.URL)
		return err
	})
}
