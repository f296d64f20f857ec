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
	"time"
)

// demoCard is what an operator sends to /card/create: a card with real-time custom
// codes, so the server issues the codes.
//
//go:embed demo-card.json
var demoCard []byte

// demoCardID is the demo card's, in every run: miniprogram/src/config.ts names it.
const demoCardID = "pSandboxDemoCard000000000000"

const user = "ming"

// patience is how long the flow waits for work in the background.
const patience = 10 * time.Second

// play takes one user from wx.login to an active card with points in the wallet,
// over HTTP as a mini-program and a till do, and prints each step to steps. It returns
// the cardExt that the phone took.
func (sb *sandbox) play(ctx context.Context, steps io.Writer) (cardExt string, err error) {
	p := &player{out: steps, base: sb.publicURL}
	if err := sb.connect(ctx); err != nil {
		return "", fmt.Errorf("add the CRM and the till as endpoints of webhooks: %w", err)
	}
	if err := sb.createCard(ctx); err != nil {
		return "", err
	}
	p.step("the merchant's card was created and approved", map[string]any{"card_id": demoCardID})

	if err := sb.login(ctx, p); err != nil {
		return "", err
	}
	if cardExt, err = sb.addCard(ctx, p); err != nil {
		return "", err
	}
	for _, step := range []func(context.Context, *player) error{sb.awaitEvent, sb.awaitActive, sb.addPoints, sb.awaitReceivers} {
		if err := step(ctx, p); err != nil {
			return "", err
		}
	}
	return cardExt, nil
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

func (sb *sandbox) addCard(ctx context.Context, p *player) (cardExt string, err error) {
	var cards json.RawMessage
	request := map[string]any{"cards": []any{map[string]string{"card_id": demoCardID, "outer_str": "sandbox"}}}
	if err := p.call(ctx, http.MethodPost, "/v1/card-ext", request, &cards); err != nil {
		return "", err
	}
	p.step("POST /v1/card-ext returned the cardList for wx.addCard", cards)

	added, err := sb.sim.AddCard(user, cards)
	if err != nil {
		return "", fmt.Errorf("wx.addCard: %w", err)
	}
	p.step("wx.addCard: the phone checked every byte of cardExt and added the card", map[string]any{"cardList": added})

	var claimed json.RawMessage
	if err := p.call(ctx, http.MethodPost, "/v1/claims", map[string]any{"cardList": added}, &claimed); err != nil {
		return "", err
	}
	p.step("the mini-program reported the card: POST /v1/claims decrypted its code", claimed)
	return extOf(cards)
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
func (sb *sandbox) awaitActive(ctx context.Context, p *player) error {
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
	if len(wallet) != 1 || wallet[0].CardID != demoCardID || !wallet[0].HasActive {
		return fmt.Errorf("the wallet does not contain just this card, active: %+v", wallet)
	}
	p.step("what the user sees in the wallet", map[string]any{
		"title": wallet[0].Title, "code": wallet[0].Code, "has_active": wallet[0].HasActive, "membership_number": wallet[0].MembershipNumber,
	})
	return nil
}

// createCard does what a merchant does once at WeChat. It uses a token of the old
// endpoint, which is independent of the server's token.
func (sb *sandbox) createCard(ctx context.Context) error {
	account := sb.sim.Accounts().Official
	var token struct {
		AccessToken string `json:"access_token"`
		ErrMsg      string `json:"errmsg"`
	}
	query := url.Values{"grant_type": {"client_credential"}, "appid": {account.AppID}, "secret": {account.Secret}}
	if err := exchange(ctx, http.MethodGet, sb.wechatURL+"/cgi-bin/token?"+query.Encode(), "", nil, &token); err != nil {
		return err
	}
	sb.sim.NameNextCard(demoCardID)
	var card struct {
		CardID string `json:"card_id"`
		ErrMsg string `json:"errmsg"`
	}
	query = url.Values{"access_token": {token.AccessToken}}
	if err := exchange(ctx, http.MethodPost, sb.wechatURL+"/card/create?"+query.Encode(), "", demoCard, &card); err != nil {
		return err
	}
	if card.CardID == "" {
		return fmt.Errorf("/card/create: %s%s", token.ErrMsg, card.ErrMsg)
	}
	return sb.sim.Approve(card.CardID)
}

// player is the mini-program. It prints the numbered steps.
type player struct {
	out   io.Writer // of step
	base  string
	token string
	steps int
}

func (p *player) step(title string, data any) {
	p.steps++
	text, _ := indented("   ", data) // plain values to memory: never fails
	_, _ = fmt.Fprintf(p.out, "%d. %s\n   %s\n\n", p.steps, title, bytes.TrimSpace(text))
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

// extOf returns the first cardExt in the answer of POST /v1/card-ext.
func extOf(cards json.RawMessage) (string, error) {
	var list struct{ CardList []struct{ CardExt string } }
	if err := json.Unmarshal(cards, &list); err != nil {
		return "", err
	}
	return list.CardList[0].CardExt, nil
}
