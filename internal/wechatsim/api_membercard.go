package wechatsim

import (
	"strconv"
	"time"
)

// The limits of "Member card": a record is string(42), a custom value string(12).
const (
	maxRecord = 42
	maxCustom = 12
)

func customNumbers() []string { return []string{"1", "2", "3"} }

// activate is POST /card/membercard/activate ("Activate member card").
func (s *Sim) activate(c *call) (object, error) {
	if err := c.body.required("membership_number"); err != nil {
		return nil, err
	}
	w, err := s.findUsable(c.body)
	if err != nil {
		return nil, err
	}
	if err := c.body.checkActivate(); err != nil {
		return nil, err
	}
	w.writes++
	w.membershipNumber = c.body.text("membership_number")
	if !w.active || s.assumptions.RepeatActivate == "all" {
		w.activate(c.body, c.now)
		if !c.body.has("init_bonus") {
			w.bonus = s.ownPoints(w.card)
		}
	}
	return success(nil), nil
}

// checkActivate checks every field before anything changes.
func (f fields) checkActivate() error {
	f.checkNotNegative("init_bonus", 45022)
	f.checkNotNegative("init_balance", 45023)
	f.checkText(fieldSpec{name: "init_bonus_record", max: maxRecord})
	f.checkText(fieldSpec{name: "init_balance_record", max: maxRecord})
	for _, n := range customNumbers() {
		f.checkText(fieldSpec{name: "init_custom_field_value" + n, max: maxCustom})
	}
	f.integer("activate_begin_time")
	f.integer("activate_end_time")
	f.text("membership_number")
	f.checkImageURL("background_pic_url")
	return f.err()
}

func (f fields) checkNotNegative(name string, code int) {
	if f.integer(name) < 0 {
		f.fail(code, "%s is below 0", name)
	}
}

// activate sets the initial figures and fields.
func (w *walletCard) activate(f fields, now time.Time) {
	w.active = true
	w.bonus, w.balance = f.integer("init_bonus"), f.integer("init_balance")
	for _, n := range customNumbers() {
		if f.has("init_custom_field_value" + n) {
			w.customFields["custom_field"+n] = f.text("init_custom_field_value" + n)
		}
	}
	w.addMessage(Message{"activated", f.text("init_bonus_record"), w.bonus, w.bonus, now.UTC()})
}

// userInfo is POST /card/membercard/userinfo/get ("Query member information").
func (s *Sim) userInfo(c *call) (object, error) {
	w, err := s.findDelivered(c.body)
	if err != nil {
		return nil, err
	}
	return success(object{"openid": w.owner.openID, "nickname": w.owner.name, "sex": "UNKNOWN",
		"membership_number": w.membershipNumber, "bonus": w.bonus, "balance": w.balance,
		"user_info":        w.formAnswers(),
		"user_card_status": s.statusOf(w), "has_active": w.active}), nil
}

// updateUser is POST /card/membercard/updateuser ("Update member information").
func (s *Sim) updateUser(c *call) (object, error) {
	w, err := s.findUsable(c.body)
	if err != nil {
		return nil, err
	}
	if !w.active {
		return nil, refuse(40127, "the card is not activated")
	}
	bonus := c.body.change("bonus", w.bonus, 45022)
	balance := c.body.change("balance", w.balance, 45023)
	custom := c.body.customChanges()
	c.body.checkImageURL("background_pic_url")
	number, notify := c.body.text("membership_number"), c.body.object("notify_optional")
	bonus.notify, balance.notify = notify.notifyFlag("is_notify_bonus", true), notify.notifyFlag("is_notify_balance", true)
	for i := range custom {
		custom[i].notify = notify.notifyFlag("is_notify_custom_field"+custom[i].number, false)
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	w.writes++
	if number != "" {
		w.membershipNumber = number
	}
	s.apply(w, bonus, balance, c.now)
	w.setCustomFields(custom, c.now)
	return success(object{"result_bonus": w.bonus, "result_balance": w.balance, "openid": w.owner.openID}), nil
}

// change is the effect of one call on bonus or balance.
type change struct {
	kind   string
	total  int64 // after it
	add    int64 // the change that the message shows
	record string
	notify bool // the user gets a message
}

// change reads an absolute figure and a delta. With an absolute figure the delta is
// only shown; a delta alone adds.
func (f fields) change(kind string, now int64, code int) change {
	ch := change{kind: kind, total: now, add: f.integer("add_" + kind), record: f.text("record_" + kind)}
	switch {
	case f.has(kind) && !f.has("add_"+kind):
		ch.total, ch.add = f.integer(kind), f.integer(kind)-now
	case f.has(kind):
		ch.total = f.integer(kind)
	default:
		ch.total = now + ch.add
	}
	if ch.total < 0 {
		f.fail(code, "%s would be below 0", kind)
	}
	f.checkText(fieldSpec{name: "record_" + kind, max: maxRecord})
	return ch
}

// notifyFlag returns a flag of notify_optional.
func (f fields) notifyFlag(name string, byDefault bool) bool {
	if !f.has(name) {
		return byDefault
	}
	return f.boolean(name)
}

func (s *Sim) apply(w *walletCard, bonus, balance change, now time.Time) {
	moved := map[string]string{"ModifyBonus": strconv.FormatInt(bonus.total-w.bonus, 10),
		"ModifyBalance": strconv.FormatInt(balance.total-w.balance, 10)}
	changed := bonus.total != w.bonus || balance.total != w.balance
	w.bonus, w.balance = bonus.total, balance.total
	for _, ch := range []change{bonus, balance} {
		if ch.notify && ch.add != 0 {
			w.addMessage(Message{ch.kind, ch.record, ch.add, ch.total, now.UTC()})
		}
	}
	if changed && s.assumptions.MemberUpdate == "sent" {
		s.emitCode("update_member_card", w, moved)
	}
}

// customChange is a new value of one custom field.
type customChange struct {
	number, value string
	notify        bool
}

func (f fields) customChanges() []customChange {
	var list []customChange
	for _, n := range customNumbers() {
		name := "custom_field_value" + n
		f.checkText(fieldSpec{name: name, max: maxCustom})
		if f.has(name) {
			list = append(list, customChange{number: n, value: f.text(name)})
		}
	}
	return list
}

func (w *walletCard) setCustomFields(changes []customChange, now time.Time) {
	for _, ch := range changes {
		name := "custom_field" + ch.number
		w.customFields[name] = ch.value
		if ch.notify && !w.isCouponField(name) {
			w.addMessage(Message{Kind: name, Text: ch.value, At: now.UTC()})
		}
	}
}

// isCouponField reports whether the field holds coupons. Such a field changes
// without a message, as a developer reported.
func (w *walletCard) isCouponField(name string) bool {
	f, _ := w.card.memberCard[name].(map[string]any)
	return f["name_type"] == "FIELD_NAME_TYPE_COUPON"
}
