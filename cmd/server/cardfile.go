package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/card"
)

//go:embed template.jsonc
var cardTemplate string

type cardTemplateCmd struct{}

func (cardTemplateCmd) Run(streams command.Streams) error {
	_, err := io.WriteString(streams.Out, cardTemplate)
	return err
}

type cardCreateCmd struct {
	File  string `arg:"" help:"JSON, comments allowed; - reads standard input. Paths of pictures are relative to it."`
	Again bool   `help:"Create another card from a file from which one was created within the last day."`

	Unknown bool `help:"Send also fields that are not known to be WeChat's."`
	JSON    bool `name:"json" help:"Print JSON."`
}

func (c cardCreateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	change := func(ctx context.Context, o *card.Operator, doc card.Document) error {
		doc.Once, doc.OnlyKnown = !c.Again, !c.Unknown
		id, err := o.Create(ctx, doc)
		var twin *card.TwinError
		if errors.As(err, &twin) {
			if err := mayGoOn(streams, fmt.Sprintf("%s was created from this file within the last day", twin.CardID),
				"Create another card?", "--again creates another card"); err != nil {
				return err
			}
			doc.Once = false
			id, err = o.Create(ctx, doc)
		}
		if err != nil {
			return err
		}
		streams.Messagef("created; WeChat reviews it within three working days. Until then testers can claim it: " +
			"server card whitelist --help")
		if c.JSON {
			return printJSON(streams.Out, map[string]string{"card_id": id})
		}
		return command.Printf(streams.Out, "%s\n", id)
	}
	return g.withCardFile(ctx, streams, "createCard", audit.Target{}, c.File, change)
}

type cardUpdateCmd struct {
	ID   string `arg:"" help:"The card_id."`
	File string `arg:"" help:"JSON with the changes, comments allowed; - reads standard input."`
	Yes  bool   `help:"Make also a change for which WeChat may review a live card again; without it a terminal is asked."`

	Unknown bool `help:"Send also fields that are not known to be WeChat's."`
	JSON    bool `name:"json" help:"Print JSON."`
}

func (c cardUpdateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	change := func(ctx context.Context, o *card.Operator, doc card.Document) error {
		doc.KeepLive, doc.OnlyKnown = !c.Yes, !c.Unknown
		change, err := o.Update(ctx, c.ID, doc)
		if errors.Is(err, card.ErrReview) {
			if err := mayGoOn(streams, "the card is live; WeChat may review it again after this change, and until then only testers can claim it",
				"Change it?", "confirm with --yes"); err != nil {
				return err
			}
			doc.KeepLive = false
			change, err = o.Update(ctx, c.ID, doc)
		}
		if err != nil {
			return err
		}
		switch {
		case change.SendCheck:
			streams.Messagef("changed; WeChat reviews it again, and until then only testers can claim it")
		case change.Changed:
			streams.Messagef("changed")
		default:
			streams.Messagef("nothing changed: WeChat shows the card with these values already")
		}
		if len(change.Ignored) > 0 {
			streams.Messagef("WeChat ignored what is not a field of its own: %s", strings.Join(change.Ignored, ", "))
		}
		if c.JSON {
			return printJSON(streams.Out, updated{change.SendCheck, change.Changed, change.Ignored})
		}
		return nil
	}
	return g.withCardFile(ctx, streams, "updateCard", audit.Target{CardID: c.ID}, c.File, change)
}

// updated is the JSON of an update.
type updated struct {
	SendCheck bool     `json:"send_check"`
	Changed   bool     `json:"changed"`
	Ignored   []string `json:"ignored,omitempty"`
}

type cardFormCmd struct {
	ID   string `arg:"" help:"The card_id."`
	File string `arg:"" help:"JSON, the body of WeChat's call without card_id, comments allowed; - reads standard input."`
}

func (c cardFormCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	change := func(ctx context.Context, o *card.Operator, doc card.Document) error {
		if err := o.ActivationForm(ctx, c.ID, doc); err != nil {
			return err
		}
		streams.Messagef("the form is set")
		return nil
	}
	return g.withCardFile(ctx, streams, "activationForm", audit.Target{CardID: c.ID}, c.File, change)
}

type cardShelfCmd struct {
	File string `arg:"" help:"JSON, the body of WeChat's /card/landingpage/create, comments allowed; - reads standard input."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c cardShelfCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	change := func(ctx context.Context, o *card.Operator, doc card.Document) error {
		page, id, err := o.Shelf(ctx, doc)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(streams.Out, map[string]any{"url": page, "page_id": id})
		}
		return command.Printf(streams.Out, "%s\n", page)
	}
	return g.withCardFile(ctx, streams, "shelf", audit.Target{}, c.File, change)
}

// withCardFile is changing with the JSON at path. The paths of pictures in it are
// relative to its folder.
func (g *globals) withCardFile(
	ctx context.Context, streams command.Streams, action string, on audit.Target, path string,
	f func(context.Context, *card.Operator, card.Document) error,
) error {
	raw, err := readJSON(path, streams)
	if err != nil {
		return err
	}
	return g.changing(ctx, streams, action, on, func(ctx context.Context, o *card.Operator) error {
		return f(ctx, o, card.Document{
			JSON: raw, Began: started,
			Picture: func(picture string) ([]byte, error) {
				if !filepath.IsAbs(picture) {
					picture = filepath.Join(filepath.Dir(path), filepath.FromSlash(picture))
				}
				return os.ReadFile(picture)
			},
			Uploading: func(picture string) { streams.Messagef("uploading %s", picture) },
		})
	})
}

// started is when the process started.
var started = time.Now()
