package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/addcard/addcard/cmd/internal/command"
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
	File string `arg:"" help:"JSON, comments allowed; - reads standard input. Paths of pictures are relative to it."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c cardCreateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCardFile(ctx, streams, c.File, "card", func(o *card.Operator, definition json.RawMessage) error {
		id, err := o.Create(ctx, definition)
		if err != nil {
			return err
		}
		streams.Messagef("created; WeChat reviews it within three working days. Until then testers can claim it: " +
			"server card whitelist --help")
		if c.JSON {
			return printJSON(streams.Out, map[string]string{"card_id": id})
		}
		_, err = fmt.Fprintln(streams.Out, id)
		return err
	})
}

type cardUpdateCmd struct {
	ID   string `arg:"" help:"The card_id."`
	File string `arg:"" help:"JSON with the changes, comments allowed; - reads standard input."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c cardUpdateCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCardFile(ctx, streams, c.File, "member_card", func(o *card.Operator, change json.RawMessage) error {
		sendCheck, err := o.Update(ctx, c.ID, change)
		if err != nil {
			return err
		}
		if sendCheck {
			streams.Messagef("changed; WeChat reviews it again, and until then only testers can claim it")
		} else {
			streams.Messagef("changed")
		}
		if c.JSON {
			return printJSON(streams.Out, map[string]bool{"send_check": sendCheck})
		}
		return nil
	})
}

type cardFormCmd struct {
	ID   string `arg:"" help:"The card_id."`
	File string `arg:"" help:"JSON, the body of WeChat's call without card_id, comments allowed; - reads standard input."`
}

func (c cardFormCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCardFile(ctx, streams, c.File, "", func(o *card.Operator, form json.RawMessage) error {
		if err := o.ActivationForm(ctx, c.ID, form); err != nil {
			return err
		}
		streams.Messagef("the form is set")
		return nil
	})
}

type cardShelfCmd struct {
	File string `arg:"" help:"JSON, the body of WeChat's /card/landingpage/create, comments allowed; - reads standard input."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c cardShelfCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return g.withCardFile(ctx, streams, c.File, "", func(o *card.Operator, shelf json.RawMessage) error {
		page, id, err := o.Shelf(ctx, shelf)
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

// withCardFile reads JSON as readJSON does, uploads the pictures that it names,
// and calls f.
func (g *globals) withCardFile(
	ctx context.Context, streams command.Streams, path, wrapper string, f func(*card.Operator, json.RawMessage) error,
) error {
	raw, err := readJSON(path, wrapper, streams)
	if err != nil {
		return err
	}
	return g.withOperator(ctx, streams, func(o *card.Operator) error {
		up := uploader{dir: filepath.Dir(path), streams: streams, image: o.Image, urls: map[string]string{}}
		raw, err := up.replacePictures(ctx, raw)
		if err != nil {
			return err
		}
		return f(o, raw)
	})
}

// pictureFields are the fields with URLs of pictures, which must be on WeChat's
// CDN.
var pictureFields = map[string]bool{"logo_url": true, "background_pic_url": true, "banner": true, "thumb_url": true}

// uploader uploads picture files, each once.
type uploader struct {
	dir     string // of relative paths
	streams command.Streams
	image   func(ctx context.Context, picture []byte) (url string, err error)
	urls    map[string]string // by path
}

// replacePictures uploads the files that picture fields in raw name and replaces
// their paths by URLs.
func (u *uploader) replacePictures(ctx context.Context, raw json.RawMessage) (json.RawMessage, error) {
	var value any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, command.Usagef("the file is not JSON: %w", err)
	}
	if err := u.replaceIn(ctx, value); err != nil {
		return nil, err
	}
	if len(u.urls) == 0 {
		return raw, nil
	}
	var out bytes.Buffer
	err := printJSON(&out, value)
	return out.Bytes(), err
}

func (u *uploader) replaceIn(ctx context.Context, value any) (err error) {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			text, isText := field.(string)
			if isText && pictureFields[name] && isFile(text) {
				v[name], err = u.upload(ctx, text)
			} else {
				err = u.replaceIn(ctx, field)
			}
			if err != nil {
				return err
			}
		}
	case []any:
		for _, element := range v {
			if err := u.replaceIn(ctx, element); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *uploader) upload(ctx context.Context, path string) (string, error) {
	if uploaded, ok := u.urls[path]; ok {
		return uploaded, nil
	}
	file := path
	if !filepath.IsAbs(path) {
		file = filepath.Join(u.dir, filepath.FromSlash(path))
	}
	picture, err := os.ReadFile(file)
	if err != nil {
		return "", command.Usagef("read a picture: %w", err)
	}
	u.streams.Messagef("uploading %s", path)
	if u.urls[path], err = u.image(ctx, picture); err != nil {
		return "", fmt.Errorf("upload %s: %w", path, err)
	}
	return u.urls[path], nil
}

func isFile(text string) bool {
	u, err := url.Parse(text)
	return text != "" && (err != nil || u.Scheme == "" || len(u.Scheme) == 1) // C:\ on Windows
}
