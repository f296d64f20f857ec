package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/seed"
	"github.com/addcard/addcard/internal/wechatsim"
)

// demo fills the shop with 30 days of life. The members are real ones: each logs in and
// takes a card as a phone does. Then their cards are moved into the past, entries until
// now are written, and WeChat is told the totals.
type demo struct {
	*sandbox
	db         *sqldb.DB
	api        *player // the operator
	card, form string  // the card_ids of the two cards
	lives      []seed.Life
}

func (sb *sandbox) fillDemo(ctx context.Context, dir string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	db, err := sqldb.Open(ctx, "sqlite:"+filepath.Join(dir, databaseFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d := &demo{sandbox: sb, db: db, api: &player{base: "http://" + sb.app.AdminAddr(), token: sb.adminToken}}
	var members struct{ Members []json.RawMessage }
	if err := d.api.call(ctx, http.MethodGet, "/v1/members?limit=1", nil, &members); err != nil {
		return err
	}
	if len(members.Members) > 0 {
		return errors.New("--demo: the database has members already: choose an empty folder with --data")
	}
	all := customers(time.Now().In(sb.zone))
	for _, step := range []func(context.Context, []*customer) error{
		d.addStaff, d.createCards, d.takeCards, d.waitForWeChat, d.fillInForms, d.waitForWeChat, d.refuseAnActivation,
		d.waitForTrail, d.writePast, d.refusePushes, d.tellTotals, d.waitForWeChat, d.deleteACard, d.waitForWeChat,
	} {
		if err := step(ctx, all); err != nil {
			return fmt.Errorf("demo data: %w", err)
		}
	}
	return seed.Count(ctx, db, sb.zone)
}

func (d *demo) addStaff(ctx context.Context, _ []*customer) error {
	for _, p := range demoPeople {
		if err := d.api.call(ctx, http.MethodPost, "/v1/staff", map[string]string{"name": p.Name, "role": p.Role}, nil); err != nil {
			return err
		}
	}
	return nil
}

// createCards creates a card with points and a balance, and one with a form.
func (d *demo) createCards(ctx context.Context, _ []*customer) (err error) {
	d.card, err = d.createDemoCard(ctx, func(base, member map[string]any) {
		base["title"], member["supply_balance"] = "储值会员卡", true
	})
	if err != nil {
		return err
	}
	d.form, err = d.createDemoCard(ctx, func(base, member map[string]any) {
		base["title"], base["color"], base["use_custom_code"] = "金卡会员", "Color060", false
		member["wx_activate"] = true
		delete(member, "activate_url")
	})
	if err != nil {
		return err
	}
	form := map[string]any{"required_form": map[string]any{
		"can_modify": false, "common_field_id_list": []string{"USER_FORM_INFO_FLAG_NAME", "USER_FORM_INFO_FLAG_MOBILE"},
	}}
	return d.api.call(ctx, http.MethodPut, "/v1/cards/"+d.form+"/activation-form", form, nil)
}

func (d *demo) createDemoCard(ctx context.Context, edit func(base, member map[string]any)) (cardID string, err error) {
	var document map[string]any
	if err := json.Unmarshal(demoCard, &document); err != nil {
		return "", err
	}
	member := document["card"].(map[string]any)["member_card"].(map[string]any) //nolint:forcetypeassert // it is embedded
	edit(member["base_info"].(map[string]any), member)                          //nolint:forcetypeassert // it is embedded
	var made struct {
		CardID string `json:"card_id"`
	}
	if err := d.api.call(ctx, http.MethodPost, "/v1/cards", document, &made); err != nil {
		return "", err
	}
	return made.CardID, d.sim.Approve(made.CardID)
}

// cardOf returns the card_id of the card that a customer takes.
func (d *demo) cardOf(c *customer) string {
	if c.form {
		return d.form
	}
	return d.card
}

func (d *demo) takeCards(ctx context.Context, all []*customer) error {
	for _, c := range all {
		if err := d.takeCard(ctx, c); err != nil {
			return fmt.Errorf("%s takes a card: %w", c.user, err)
		}
	}
	return nil
}

// takeCard logs a customer in, and has the card taken unless the customer is undecided.
func (d *demo) takeCard(ctx context.Context, c *customer) error {
	login, err := d.sim.Login(c.user)
	if err != nil {
		return err
	}
	phone := &player{base: d.publicURL}
	var session struct{ Token string }
	if err := phone.call(ctx, http.MethodPost, "/v1/session", map[string]string{"code": login}, &session); err != nil {
		return err
	}
	phone.token = session.Token
	var cards json.RawMessage
	request := map[string]any{"cards": []any{map[string]string{"card_id": d.cardOf(c), "outer_str": c.channel}}}
	if err := phone.call(ctx, http.MethodPost, "/v1/card-ext", request, &cards); err != nil {
		return err
	}
	if c.undecided {
		c.code, err = codeOf(cards)
		return err
	}
	added, err := d.sim.AddCard(c.user, cards)
	if err != nil {
		return err
	}
	var claimed struct{ Cards []struct{ Code string } }
	if err := phone.call(ctx, http.MethodPost, "/v1/claims", map[string]any{"cardList": added}, &claimed); err != nil {
		return err
	}
	c.code = claimed.Cards[0].Code
	return nil
}

// codeOf returns the code in the answer of POST /v1/card-ext, or "" if WeChat makes it.
func codeOf(cards json.RawMessage) (string, error) {
	text, err := extOf(cards)
	if err != nil {
		return "", err
	}
	var ext struct{ Code string }
	err = json.Unmarshal([]byte(text), &ext)
	return ext.Code, err
}

// fillInForms has the takers of the card with a form fill it in, but for those who wait.
func (d *demo) fillInForms(ctx context.Context, all []*customer) error {
	for i, c := range all {
		if !c.form || c.waits || c.undecided {
			continue
		}
		form := map[string]any{"card_id": d.form, "code": c.code, "form": map[string]string{
			"USER_FORM_INFO_FLAG_NAME": fmt.Sprintf("顾客%02d", i+1), "USER_FORM_INFO_FLAG_MOBILE": fmt.Sprintf("138000000%02d", i+1),
		}}
		if err := d.onPhone(ctx, c.user, "submit-form", form); err != nil {
			return err
		}
	}
	return nil
}

// onPhone has the phone of a user do something.
func (d *demo) onPhone(ctx context.Context, user, action string, body any) error {
	phone := &player{base: d.wechatURL}
	return phone.call(ctx, http.MethodPost, "/_sim/phones/"+user+"/"+action, body, nil)
}

// refused is an errcode with which WeChat refuses for good.
const refused = 40151

// refuseAnActivation adds one customer whose card WeChat does not activate.
func (d *demo) refuseAnActivation(ctx context.Context, _ []*customer) error {
	if err := d.sim.AddFault(wechatsim.Fault{Path: "/card/membercard/activate", ErrCode: refused}); err != nil {
		return err
	}
	if err := d.takeCard(ctx, &customer{user: "guest99", channel: demoChannels[0]}); err != nil {
		return err
	}
	return d.waitForWeChat(ctx, nil)
}

// waitForWeChat waits until the events are delivered and no message waits.
func (d *demo) waitForWeChat(ctx context.Context, _ []*customer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.sim.WaitEvents(ctx); err != nil {
		return fmt.Errorf("WeChat's events: %w", err)
	}
	for {
		var outbox struct{ Counts struct{ Waiting int } }
		if err := d.api.call(ctx, http.MethodGet, "/v1/outbox?limit=1", nil, &outbox); err != nil {
			return err
		}
		if outbox.Counts.Waiting == 0 {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("%d messages still wait for WeChat: %w", outbox.Counts.Waiting, err)
		}
	}
}

// waitForTrail waits until the logins and the cardExts are recorded, which takes a second.
func (d *demo) waitForTrail(ctx context.Context, all []*customer) error {
	for n := 0; n < 2*len(all); {
		row := d.db.Read().QueryRow(ctx, `select count(*) from trail where kind in ('login', 'card_ext')`)
		if err := row.Scan(&n); err != nil {
			return fmt.Errorf("count what was recorded: %w", err)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pause waits a moment, and returns an error when ctx has ended.
func pause(ctx context.Context) error {
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *demo) writePast(ctx context.Context, all []*customer) error {
	for _, c := range all {
		if c.code != "" {
			d.lives = append(d.lives, seed.Life{CardID: d.cardOf(c), Code: c.code, Since: c.joined, Entries: c.entries})
		}
	}
	return seed.Past(ctx, d.db, demoSeed, d.lives)
}

// sale is an entry of today, in the form of POST /v1/entries/batch.
func (d *demo) sale(l seed.Life, n int) map[string]any {
	yuan := 12 + n*7%80
	return map[string]any{
		"card_id": l.CardID, "code": l.Code, "key": fmt.Sprintf("demo-today-%d", n), "add_bonus": yuan,
		"record_bonus": fmt.Sprintf("消费%d元", yuan), "actor": demoPeople[0].Name, "store": demoStores[n%len(demoStores)],
		"order": fmt.Sprintf("%s-%04d", time.Now().In(d.zone).Format("0102"), 9000+n),
	}
}

// parkedPushes is how many sales of this moment WeChat refuses for good.
const parkedPushes = 3

// refusePushes books some sales now, and WeChat refuses to show them.
func (d *demo) refusePushes(ctx context.Context, _ []*customer) error {
	fault := wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: refused, Times: parkedPushes}
	if err := d.sim.AddFault(fault); err != nil {
		return err
	}
	var sales []any
	for _, l := range d.lives {
		if n := len(sales); n < parkedPushes && len(l.Entries) > 0 {
			sales = append(sales, d.sale(l, n))
		}
	}
	if err := d.api.call(ctx, http.MethodPost, "/v1/entries/batch", map[string]any{"entries": sales}, nil); err != nil {
		return err
	}
	return d.waitForWeChat(ctx, nil)
}

// tellTotals tells WeChat the totals of the past, but for those that it has refused.
func (d *demo) tellTotals(ctx context.Context, _ []*customer) error {
	return d.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, `insert into outbox (outbox_id, card_id, code, seq, kind, due_at, created_at)
			select lower(hex(randomblob(16))), card_id, code, 1, 'totals', $1, $1 from member_card c
			where seq > 0 and status = 'active' and not exists (select 1 from outbox o where o.card_id = c.card_id and o.code = c.code)`,
			time.Now().UnixMilli())
		return err
	})
}

// deleteACard has one customer delete the card from the wallet.
func (d *demo) deleteACard(ctx context.Context, all []*customer) error {
	c := all[len(all)-2]
	return d.onPhone(ctx, c.user, "delete-card", map[string]string{"card_id": d.cardOf(c), "code": c.code})
}
