package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

type triggerCmd struct {
	Event    string            `arg:"" help:"The event's name, from the list below."`
	Override map[string]string `help:"Set an element of the event, such as CardId or OuterStr." mapsep:"none" placeholder:"NAME=VALUE"`
	User     string            `help:"The user of the sandbox that the event is about (${default})." default:"ming"`
	Twice    bool              `help:"Deliver it twice, as WeChat may."`
	Late     time.Duration     `help:"Deliver it that much later, with the same CreateTime." placeholder:"30s"`
	Wechat   string            `help:"The running sandbox's WeChat (${default})." default:"http://127.0.0.1:8082" placeholder:"URL"`
	To       string            `help:"Send it to this callback URL instead, without a sandbox." placeholder:"URL"`
}

func (triggerCmd) Help() string {
	var b strings.Builder
	b.WriteString("Prints the server's answer. With --to the event is signed with CALLBACK_TOKEN and, if CALLBACK_AES_KEY is set, " +
		"encrypted for OFFICIAL_APP_ID; its ToUserName is OFFICIAL_ORIGINAL_ID. All of these are read from the environment; " +
		"other values, and the user, are samples. The events:\n")
	for _, k := range push.Kinds() {
		fmt.Fprintf(&b, "  %-30s %s\n", k.Name, k.About)
	}
	b.WriteString(`Examples:
  go run ./cmd/sandbox trigger user_del_card
  go run ./cmd/sandbox trigger user_get_card --user hong --override OuterStr=table7 --twice --late 30s
  CALLBACK_TOKEN=mytoken go run ./cmd/sandbox trigger card_pass_check --to http://127.0.0.1:9000/wechat/callback ` +
		`--override CardId=pXch-jnOlGtbuWwIO2NDftZeynRE`)
	return b.String()
}

// Validate implements kong's hook.
func (c *triggerCmd) Validate() error {
	var names []string
	for _, k := range push.Kinds() {
		names = append(names, k.Name)
	}
	if !slices.Contains(names, c.Event) {
		return fmt.Errorf("there is no card event %q; the events are %s", c.Event, strings.Join(names, ", "))
	}
	for _, target := range []string{c.Wechat, c.To} {
		if u, err := url.Parse(target); target != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%q is not a URL", target)
		}
	}
	if c.Late < 0 || c.Late > time.Hour {
		return fmt.Errorf("--late must be between 0s and 1h")
	}
	return nil
}

func (c *triggerCmd) Run(ctx context.Context, streams command.Streams) error {
	if c.To != "" {
		return c.direct(ctx, streams)
	}
	body, err := json.Marshal(map[string]any{
		"event": c.Event, "fields": c.Override, "user": c.User, "twice": c.Twice, "late_seconds": c.Late.Seconds(),
	})
	if err != nil {
		return err
	}
	var delivery push.Delivery
	if err := exchange(ctx, http.MethodPost, c.Wechat+"/_sim/events/trigger", "", body, &delivery); err != nil {
		return fmt.Errorf("call the sandbox at %s: %w", c.Wechat, err)
	}
	if err := printIndented(streams.Out, delivery); err != nil {
		return err
	}
	if delivery.State == "failed" || delivery.State == "unsent" || delivery.State == "dropped" {
		return fmt.Errorf("the event is %s", delivery.State)
	}
	return nil
}

// direct signs the event here and sends it, for a server under development.
func (c *triggerCmd) direct(ctx context.Context, streams command.Streams) error {
	token := os.Getenv("CALLBACK_TOKEN")
	if token == "" {
		return command.Usagef("--to needs CALLBACK_TOKEN in the environment")
	}
	if os.Getenv("CALLBACK_AES_KEY") != "" && os.Getenv("OFFICIAL_APP_ID") == "" {
		return command.Usagef("--to with CALLBACK_AES_KEY needs OFFICIAL_APP_ID in the environment")
	}
	t := push.Trigger{
		Callback: push.Callback{
			URL: c.To, Token: token, EncodingAESKey: os.Getenv("CALLBACK_AES_KEY"), AppID: os.Getenv("OFFICIAL_APP_ID"),
		},
		ToUserName: os.Getenv("OFFICIAL_ORIGINAL_ID"), Event: c.Event, CreateTime: time.Now().Unix(), Fields: c.Override,
	}
	select {
	case <-time.After(c.Late):
	case <-ctx.Done():
		return ctx.Err()
	}
	times := 1
	if c.Twice {
		times = 2
	}
	for range times {
		if err := c.send(ctx, streams.Out, t); err != nil {
			return err
		}
	}
	return nil
}

func (c *triggerCmd) send(ctx context.Context, out io.Writer, t push.Trigger) error {
	req, err := t.Request(ctx)
	if err != nil {
		return &command.UsageError{Err: err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("push to %s: %w", c.To, unwrapURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("push to %s: %w", c.To, err)
	}
	if err := printIndented(out, map[string]any{"event": c.Event, "status": resp.StatusCode, "answer": string(answer)}); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %d", resp.StatusCode)
	}
	return nil
}

// printIndented writes data as indented JSON.
func printIndented(w io.Writer, data any) error {
	text, err := indented("", data)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// indented returns data as JSON with a prefix in front of every line but the first.
func indented(prefix string, data any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	err := enc.Encode(data)
	return command.VisibleJSON(text.Bytes()), err
}
