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

// demoCard is what an operator sends to /card/create: a card with real-time custom
// codes, so the server issues the codes.
//
//go:embed demo-card.json
var demoCard []byte

const user = "ming"

// patience is how long the flow waits for work in the background.
const patience = 10 * time.Second

// play takes one user from wx.login to an active card with points in the wallet,
// over HTTP as a mini-program and a till do, and prints each step.
func (sb *sandbox) play(ctx context.Context, out io.Writer) error {
	p := &player{out: out, base: sb.publicURL}
	p.say("WeChat, the phone and the Official Account are simulated at %s; nothing leaves this machine.", sb.wechatURL)
	if err := sb.connect(ctx); err != nil {
		return fmt.Errorf("add the CRM and the till as endpoints of webhooks: %w", err)
	}
	cardID, err := sb.createCard(ctx)
	if err != nil {
		return err
	}
	p.step("the merchant's card was created and approved", map[string]any{"card_id": cardID})

	if err := sb.login(ctx, p); err != nil {
		return err
	}
	if err := sb.addCard(ctx, p, cardID); err != nil {
		return err
	}
	if err := sb.awaitEvent(ctx, p); err != nil {
		return err
	}
	if err := sb.awaitActive(ctx, p, cardID); err != nil {
		return err
	}
	if err := sb.addPoints(ctx, p, cardID); err != nil {
		return err
	}
	return sb.awaitReceivers(ctx, p)
}

func (sb *sandbox) login(ctx context.Context, p *player) error {
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
	p.step("wx.login returned a code; POST /v1/session returned a session for it",
		map[string]any{"expires_in": session.ExpiresIn, "member": session.Member})
	return nil
}

func (sb *sandbox) addCard(ctx context.Context, p *player, cardID string) error {
	var cards json.RawMessage
	request := map[string]any{"cards": []any{map[string]string{"card_id": cardID, "outer_str": "sandbox"}}}
	if err := p.call(ctx, http.MethodPost, "/v1/card-ext", request, &cards); err != nil {
		return err
	}
	p.step("POST /v1/card-ext returned the cardList for wx.addCard", cards)

	added, err := sb.sim.AddCard(user, cards)
	if err != nil {
		return fmt.Errorf("wx.addCard: %w", err)
	}
	p.step("wx.addCard: the phone checked every byte of cardExt and added the card", map[string]any{"cardList": added})

	var claimed json.RawMessage
	if err := p.call(ctx, http.MethodPost, "/v1/claims", map[string]any{"cardList": added}, &claimed); err != nil {
		return err
	}
	p.step("the mini-program reported the card: POST /v1/claims decrypted its code", claimed)
	return nil
}

// awaitEvent waits until WeChat's event about the card has been delivered.
func (sb *sandbox) awaitEvent(ctx context.Context, p *player) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := sb.sim.WaitEvents(ctx); err != nil {
		return fmt.Errorf("WeChat's events: %w", err)
	}
	log := sb.sim.Deliveries()
	for _, d := range log {
		if d.Event == "user_get_card" && d.State == "delivered" {
			p.step("WeChat pushed the event too, encrypted, and received success",
				map[string]any{"event": d.Event, "state": d.State, "tries": len(d.Tries)})
			return nil
		}
	}
	return fmt.Errorf("the event user_get_card was not delivered; %d others were pushed", len(log))
}

// awaitActive waits until the card is active at the server and in the wallet.
func (sb *sandbox) awaitActive(ctx context.Context, p *player, cardID string) error {
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
		return fmt.Errorf("the wallet does not contain just this card, active: %+v", wallet)
	}
	p.step("what the user sees in the wallet", map[string]any{
		"title": wallet[0].Title, "code": wallet[0].Code, "has_active": wallet[0].HasActive, "membership_number": wallet[0].MembershipNumber,
	})
	return nil
}

// createCard does what a merchant does once at WeChat. It uses a token of the old
// endpoint, which is independent of the server's token.
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

// printLimits prints what the simulator proves and what it does not.
func (sb *sandbox) printLimits(out io.Writer) {
	_, _ = fmt.Fprint(out, `
What this shows: WeChat's tokens, tickets, logins, cards and the phone's check of cardExt are simulated strictly
from WeChat's documents (internal/wechatsim/README.md). The simulator was never compared with WeChat itself. Where
the documents are silent or contradict each other it makes an assumption, which --guess NAME=VALUE changes:
`)
	for _, g := range sb.sim.Assumptions() {
		others := slices.DeleteFunc(g.Choices, func(choice string) bool { return choice == g.Value })
		_, _ = fmt.Fprintf(out, "  %-34s %s [or %s]\n", g.Name+"="+g.Value, g.About, strings.Join(others, ", "))
	}
	_, _ = fmt.Fprint(out, `
Also uncertain, and simulated on request: a frozen account (errcode 50007, POST /_sim/faults), and whether the
phone's report or WeChat's event comes first (POST /_sim/events/faults). WeChat's other hosts need another
WECHAT_API_URL. QR codes for several cards are not simulated.
`)
}

// consoleLink returns a link with which the owner signs in to the console, once.
func (sb *sandbox) consoleLink(ctx context.Context) (string, error) {
	base := "http://" + sb.app.AdminAddr()
	var link struct{ Secret string }
	if err := exchange(ctx, http.MethodPost, base+"/v1/staff/owner/link", sb.adminToken, nil, &link); err != nil {
		return "", fmt.Errorf("make a link to the console: %w", err)
	}
	return base + "/login?link=" + link.Secret, nil
}

// printConsole prints the link to the console, before anything else.
func (sb *sandbox) printConsole(out io.Writer, console string) {
	_, _ = fmt.Fprintf(out, "The console, once and within half an hour:\n  %s\n\n", console)
}

// printAddresses prints where the running sandbox serves.
func (sb *sandbox) printAddresses(out io.Writer, miniprogram, console string) {
	phone := sb.wechatURL + phonePath
	if !built(miniprogram) {
		phone += "   not built yet: " + howToBuild
	}
	_, _ = fmt.Fprintf(out, `
Serving until Ctrl-C.
  console      %[6]s   once, within half an hour
  public API   %[1]s   documentation: %[1]s/docs/
  admin API    http://%[2]s   ADMIN_TOKEN of this run: %[3]s
  WeChat       %[4]s   a login code for a user: curl -X POST %[4]s/_sim/phones/ming/login
  mini-program %[5]s
  events       go run ./cmd/sandbox trigger user_del_card --user ming --wechat %[4]s
  CRM, till    print the webhooks that come; to have one fail: curl -X PUT %[4]s/_crm/mode/fail (or slow, redirect, gone, ok)
`, sb.publicURL, sb.app.AdminAddr(), sb.adminToken, sb.wechatURL, phone, console)
}

// player is the mini-program. It prints the numbered steps.
type player struct {
	out   io.Writer
	base  string
	token string
	steps int
}

func (p *player) say(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

func (p *player) step(title string, data any) {
	p.steps++
	text, _ := indented("   ", data) // plain values to memory: never fails
	p.say("\n%d. %s\n   %s", p.steps, title, bytes.TrimSpace(text))
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
