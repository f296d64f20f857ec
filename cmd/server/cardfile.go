package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/tailscale/hujson"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/card"
)

//go:embed template.jsonc
var cardTemplate string

type cardTemplateCmd struct{}

// Help implements kong.HelpProvider.
func (cardTemplateCmd) Help() string {
	return `JSON with comments, which "server card create" takes. Examples:
  server card template > card.jsonc
  server card template | less`
}

// Run prints the template.
func (cardTemplateCmd) Run(streams command.Streams) error {
	_, err := io.WriteString(streams.Out, cardTemplate)
	return err
}

type cardCreateCmd struct {
	File string `arg:"" help:"JSON, comments allowed; - reads standard input. Pictures that are files are looked for beside it."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (cardCreateCmd) Help() string {
	return `The file holds WeChat's own {"card_type":"MEMBER_CARD","member_card":{…}}. A logo_url or background_pic_url that is a file is uploaded
first. If WeChat's answer is lost, the account is searched for the card instead of making a second one. Examples:
  server card create card.jsonc
  server card create - < card.jsonc`
}

// Run creates the card.
func (c cardCreateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	raw, err := readJSON(c.File, streams)
	if err != nil {
		return err
	}
	raw, err = unwrapped(raw, "card")
	if err != nil {
		return err
	}
	return g.operate(ctx, streams, func(o *card.Operator) error {
		raw, err := withPictures(ctx, o, raw, filepath.Dir(c.File), streams)
		if err != nil {
			return err
		}
		id, err := o.Create(ctx, raw)
		if err != nil {
			return err
		}
		words(streams, "created; WeChat reviews it, which takes up to three working days. Testers can take it now: server card whitelist --help")
		if c.JSON {
			return printJSON(streams.Out, map[string]string{"card_id": id})
		}
		_, err = fmt.Fprintln(streams.Out, id)
		return err
	})
}

type cardUpdateCmd struct {
	ID   string `arg:"" help:"The card_id."`
	File string `arg:"" help:"JSON with what changes, comments allowed; - reads standard input."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (cardUpdateCmd) Help() string {
	return `The file holds WeChat's member_card with what changes, {"base_info":{"title":"…"}} say. Examples:
  server card update pjZ8Yt1XGILfi-FUsewpnnolGgZk change.json
  echo '{"prerogative":"会员日双倍积分"}' | server card update pjZ8Yt1XGILfi-FUsewpnnolGgZk -`
}

// Run changes the card.
func (c cardUpdateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	raw, err := readJSON(c.File, streams)
	if err != nil {
		return err
	}
	raw, err = unwrapped(raw, "member_card")
	if err != nil {
		return err
	}
	return g.operate(ctx, streams, func(o *card.Operator) error {
		raw, err := withPictures(ctx, o, raw, filepath.Dir(c.File), streams)
		if err != nil {
			return err
		}
		check, err := o.Update(ctx, c.ID, raw)
		if err != nil {
			return err
		}
		if check {
			words(streams, "changed; it goes to review again, and meanwhile nobody but testers can take it")
		} else {
			words(streams, "changed")
		}
		if c.JSON {
			return printJSON(streams.Out, map[string]bool{"send_check": check})
		}
		return nil
	})
}

type cardFormCmd struct {
	ID   string `arg:"" help:"The card_id."`
	File string `arg:"" help:"JSON, WeChat's body without card_id, comments allowed; - reads standard input."`
}

// Help implements kong.HelpProvider.
func (cardFormCmd) Help() string {
	return `Examples:
  server card form pjZ8Yt1XGILfi-FUsewpnnolGgZk form.json
  echo '{"required_form":{"common_field_id_list":["USER_FORM_INFO_FLAG_MOBILE"]}}' | server card form pjZ8Yt1XGILfi-FUsewpnnolGgZk -`
}

// Run sets the form.
func (c cardFormCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	raw, err := readJSON(c.File, streams)
	if err != nil {
		return err
	}
	return g.operate(ctx, streams, func(o *card.Operator) error {
		if err := o.ActivationForm(ctx, c.ID, raw); err != nil {
			return err
		}
		words(streams, "the form is set")
		return nil
	})
}

type cardShelfCmd struct {
	File string `arg:"" help:"JSON, WeChat's body of /card/landingpage/create, comments allowed; - reads standard input."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (cardShelfCmd) Help() string {
	return `A banner or thumb_url that is a file is uploaded first. Prints the page's URL. shelf.json says for example
{"banner":"banner.png","page_title":"会员","can_share":true,"scene":"SCENE_MENU","card_list":[{"card_id":"pjZ8Yt1XGILfi-FUsewpnnolGgZk","thumb_url":"logo.png"}]}
Examples:
  server card shelf shelf.json
  server card shelf shelf.json --json`
}

// Run makes the page.
func (c cardShelfCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	raw, err := readJSON(c.File, streams)
	if err != nil {
		return err
	}
	return g.operate(ctx, streams, func(o *card.Operator) error {
		raw, err := withPictures(ctx, o, raw, filepath.Dir(c.File), streams)
		if err != nil {
			return err
		}
		page, id, err := o.Shelf(ctx, raw)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(streams.Out, map[string]any{"url": page, "page_id": id})
		}
		_, err = fmt.Fprintln(streams.Out, page)
		return err
	})
}

// readJSON reads a file, or standard input, and drops comments.
func readJSON(path string, streams command.Streams) (json.RawMessage, error) {
	const most = 8 << 20
	in := streams.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, command.Usagef("%w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, command.Usagef("read %s: %w", path, err)
	}
	raw, err := hujson.Standardize(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil || len(text) > most {
		return nil, command.Usagef("%s is no JSON of at most 8 MiB: %w", path, err)
	}
	return raw, nil
}

// unwrapped takes the object that is wanted out of one that holds nothing else,
// so that a whole body of WeChat's serves, too.
func unwrapped(raw json.RawMessage, name string) (json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, command.Usagef("the file must hold a JSON object: %w", err)
	}
	if inner, ok := object[name]; ok && len(object) == 1 {
		return inner, nil
	}
	return raw, nil
}

// pictures are the members that WeChat wants to be on its CDN.
var pictures = map[string]bool{"logo_url": true, "background_pic_url": true, "banner": true, "thumb_url": true}

// withPictures uploads each picture in raw that is a file, once, and puts its
// URL in its place.
func withPictures(ctx context.Context, o *card.Operator, raw json.RawMessage, dir string, streams command.Streams) (json.RawMessage, error) {
	var tree any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return nil, command.Usagef("the file is no JSON: %w", err)
	}
	uploaded := map[string]string{}
	if err := eachPicture(tree, func(path string) (string, error) {
		if at, ok := uploaded[path]; ok {
			return at, nil
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if filepath.IsAbs(path) {
			data, err = os.ReadFile(path)
		}
		if err != nil {
			return "", command.Usagef("a picture: %w", err)
		}
		words(streams, "uploading %s", path)
		at, err := o.Image(ctx, data)
		if err != nil {
			return "", fmt.Errorf("upload %s: %w", path, err)
		}
		uploaded[path] = at
		return at, nil
	}); err != nil {
		return nil, err
	}
	if len(uploaded) == 0 {
		return raw, nil
	}
	var out bytes.Buffer
	err := printJSON(&out, tree)
	return out.Bytes(), err
}

// eachPicture replaces the pictures in tree that are files.
func eachPicture(tree any, put func(path string) (string, error)) (err error) {
	switch v := tree.(type) {
	case map[string]any:
		for name, value := range v {
			text, isText := value.(string)
			if isText && pictures[name] && isFile(text) {
				v[name], err = put(text)
			} else {
				err = errors.Join(err, eachPicture(value, put))
			}
			if err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := eachPicture(value, put); err != nil {
				return err
			}
		}
	}
	return nil
}

func isFile(text string) bool {
	u, err := url.Parse(text)
	return text != "" && (err != nil || u.Scheme == "" || len(u.Scheme) == 1) // C:\ on Windows
}
