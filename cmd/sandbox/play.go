package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// demoCard is what the operator would send to /card/create: a custom-code card
// that delivers in real time, so the server issues the codes.
//
//go:embed demo-card.json
var demoCard []byte

const user = "ming"

// patience is how long the play waits for what goes on behind its back.
const patience = 10 * time.Second

// play walks one user from wx.login to an active card in the wallet and points
// on it, over HTTP as a mini-program and a till would, and prints what each side
// says.
func (sb *sandbox) play(ctx context.Context, out io.Writer) error {
	p := &player{out: out, base: sb.publicURL}
	p.say("WeChat, the phone and the Official Account are simulated at %s; nothing leaves this machine.", sb.wechatURL)
	cardID, err := sb.createCard(ctx)
	if err != nil {
		return err
	}
	p.step("the merchant's card was created and approved", map[string]any{"card_id": cardID})

	code, err := sb.sim.Login(user)
	if err != nil {
		return err
	}
	var session struct {
		Token     string          `json:"token"`
		ExpiresIn int             `json:"expires_in"`
		Member    json.RawMessage `json:"member"`
	}
	if err := p.call(ctx, http.MethodPost, "/v1/session", map[string]string{"code": code}, &session); err != nil {
		return err
	}
	p.token = session.Token
	p.step("wx.login gave a code; POST /v1/session made it a session", map[string]any{"expires_in": session.ExpiresIn, "member": session.Member})

	var cards json.RawMessage
	want := map[string]any{"cards": []any{map[string]string{"card_id": cardID, "outer_str": "sandbox"}}}
	if err := p.call(ctx, http.MethodPost, "/v1/card-ext", want, &cards); err != nil {
		return err
	}
	p.step("POST /v1/card-ext gave what wx.addCard takes as it is", cards)

	added, err := sb.sim.AddCard(user, cards)
	if err != nil {
		return fmt.Errorf("wx.addCard: %w", err)
	}
	p.step("wx.addCard: the phone checked every byte of cardExt and took the card", map[string]any{"cardList": added})

	var claimed json.RawMessage
	if err := p.call(ctx, http.MethodPost, "/v1/claims", map[string]any{"cardList": added}, &claimed); err != nil {
		return err
	}
	p.step("the mini-program reported it: POST /v1/claims opened the encrypted code", claimed)

	if err := sb.heard(ctx, p); err != nil {
		return err
	}
	if err := sb.active(ctx, p, cardID); err != nil {
		return err
	}
	return sb.credit(ctx, p, cardID)
}

// heard waits until WeChat's event about the card has been delivered.
func (sb *sandbox) heard(ctx context.Context, p *player) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := sb.sim.WaitEvents(ctx); err != nil {
		return fmt.Errorf("WeChat's events: %w", err)
	}
	log := sb.sim.Deliveries()
	for _, d := range log {
		if d.Event == "user_get_card" && d.State == "delivered" {
			p.step("WeChat pushed the event too, sealed, and read success", map[string]any{"event": d.Event, "state": d.State, "tries": len(d.Tries)})
			return nil
		}
	}
	return fmt.Errorf("the event user_get_card was not delivered; %d others were pushed", len(log))
}

// active waits until the card is active for the member and in the wallet.
func (sb *sandbox) active(ctx context.Context, p *player, cardID string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var me struct {
		Cards []struct {
			CardID string `json:"card_id"`
			Status string `json:"status"`
		} `json:"cards"`
	}
	for {
		var raw json.RawMessage
		if err := p.call(ctx, http.MethodGet, "/v1/me", nil, &raw); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &me); err != nil {
			return err
		}
		if len(me.Cards) == 1 && me.Cards[0].Status == "active" {
			p.step("the outbox activated the card: GET /v1/me", raw)
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the card did not become active: %s", raw)
		}
	}
	wallet, err := sb.sim.Cards(user)
	if err != nil {
		return err
	}
	if len(wallet) != 1 || wallet[0].CardID != cardID || !wallet[0].HasActive {
		return fmt.Errorf("the wallet does not hold this one card, active: %+v", wallet)
	}
	p.step("what the user sees in the wallet", map[string]any{
		"title": wallet[0].Title, "code": wallet[0].Code, "has_active": wallet[0].HasActive, "membership_number": wallet[0].MembershipNumber,
	})
	return nil
}

// createCard does what a merchant does once at WeChat, with a token of the old
// endpoint: it is isolated from the one that the server keeps.
func (sb *sandbox) createCard(ctx context.Context) (string, error) {
	account := sb.sim.Accounts().Official
	var token struct {
		AccessToken string `json:"access_token"`
		ErrMsg      string `json:"errmsg"`
	}
	query := url.Values{"grant_type": {"client_credential"}, "appid": {account.AppID}, "secret": {account.Secret}}
	if err := exchange(ctx, http.MethodGet, sb.wechatURL+"/cgi-bin/token?"+query.Encode(), "", nil, &token); err != nil {
		return "", err
	}
	var card struct {
		CardID string `json:"card_id"`
		ErrMsg string `json:"errmsg"`
	}
	query = url.Values{"access_token": {token.AccessToken}}
	if err := exchange(ctx, http.MethodPost, sb.wechatURL+"/card/create?"+query.Encode(), "", demoCard, &card); err != nil {
		return "", err
	}
	if card.CardID == "" {
		return "", fmt.Errorf("/card/create: %s%s", token.ErrMsg, card.ErrMsg)
	}
	return card.CardID, sb.sim.Approve(card.CardID)
}

// confess says how far the simulator is to be trusted.
func (sb *sandbox) confess(out io.Writer) {
	_, _ = fmt.Fprint(out, `
What this shows: WeChat's tokens, tickets, logins, cards and the phone's check of cardExt are imitated from
WeChat's documents, strictly (internal/wechatsim/README.md). It was never compared with WeChat itself. Where
the documents are silent or contradict each other it guesses; each guess is a switch, --guess NAME=VALUE:
`)
	for _, g := range sb.sim.Assumptions() {
		others := slices.DeleteFunc(g.Choices, func(choice string) bool { return choice == g.Value })
		_, _ = fmt.Fprintf(out, "  %-34s %s [or %s]\n", g.Name+"="+g.Value, g.About, strings.Join(others, ", "))
	}
	_, _ = fmt.Fprint(out, `
Uncertain too, and played on request: an account that is frozen (errcode 50007, POST /_sim/faults), and whether
the phone's report or WeChat's event comes first (POST /_sim/events/faults). WeChat's other hosts would be another
WECHAT_API_URL. How many cards one QR code may hold is not asked: QR codes for several cards are not imitated.
`)
}

// invite says what can be done with the running sandbox.
func (sb *sandbox) invite(out io.Writer, miniprogram string) {
	phone := sb.wechatURL + phonePath
	if !built(miniprogram) {
		phone += "   not built yet: " + howToBuild
	}
	_, _ = fmt.Fprintf(out, `
Serving until Ctrl-C.
  public API   %[1]s   documentation: %[1]s/docs/
  admin API    http://%[2]s   ADMIN_TOKEN of this run: %[3]s
  WeChat       %[4]s   a login code for a user: curl -X POST %[4]s/_sim/phones/ming/login
  mini-program %[5]s
  events       go run ./cmd/sandbox trigger user_del_card --user ming --wechat %[4]s
`, sb.publicURL, sb.app.AdminAddr(), sb.adminToken, sb.wechatURL, phone)
}

// player is the mini-program's side of the conversation.
type player struct {
	out   io.Writer
	base  string
	token string
	steps int
}

func (p *player) say(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

func (p *player) step(title string, data any) {
	p.steps++
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("   ", "  ")
	_ = enc.Encode(data) // to memory, of plain values
	p.say("\n%d. %s\n   %s", p.steps, title, strings.TrimSpace(text.String()))
}

func (p *player) call(ctx context.Context, method, path string, in, answer any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	if err := exchange(ctx, method, p.base+path, p.token, body, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
