package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

// addPoints adds points over the admin API, as a shop's till does, and waits until
// the card's face shows them and the user was notified.
func (sb *sandbox) addPoints(ctx context.Context, p *player) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wallet, err := sb.sim.Cards(user)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"add_bonus": 30, "record_bonus": "消费30元，获得30积分"})
	if err != nil {
		return err
	}
	var entry json.RawMessage
	target := fmt.Sprintf("http://%s/v1/cards/%s/codes/%s/entries", sb.app.AdminAddr(), demoCardID, wallet[0].Code)
	if err := exchange(ctx, http.MethodPost, target, sb.adminToken, body, &entry, "Idempotency-Key", "sandbox-sale-1"); err != nil {
		return fmt.Errorf("add points: %w", err)
	}
	p.step("the till added points; repeating the request adds no more: "+
		"POST /v1/cards/{card_id}/codes/{code}/entries on the admin API", entry)
	face, err := sb.awaitMessage(ctx, "bonus")
	if err != nil {
		return err
	}
	p.step("WeChat shows them: the card's face, and the message to the user", map[string]any{
		"bonus": face.Bonus, "message": face.Messages[len(face.Messages)-1],
	})
	return nil
}

// awaitMessage waits until the latest message about the user's card has that kind.
func (sb *sandbox) awaitMessage(ctx context.Context, kind string) (wechatsim.CardFace, error) {
	for {
		wallet, err := sb.sim.Cards(user)
		if err != nil {
			return wechatsim.CardFace{}, err
		}
		face := wallet[0]
		if n := len(face.Messages); n > 0 && face.Messages[n-1].Kind == kind {
			return face, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return face, fmt.Errorf("the user got no message about the %s: %+v", kind, face)
		}
	}
}
