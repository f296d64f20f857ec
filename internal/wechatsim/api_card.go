package wechatsim

import (
	"cmp"
	"reflect"
	"slices"
)

const maxCards = 10_000

// createCard is POST /card/create ("Create member card"). The card waits for its
// review until POST /_sim/cards/{card_id}/approve.
func (s *Sim) createCard(c *call) (object, error) {
	outer := c.body.object("card")
	if err := outer.required("card_type"); err != nil {
		return nil, err
	}
	if outer.text("card_type") != "MEMBER_CARD" {
		return nil, refuse(40071, "card_type is not MEMBER_CARD, the only one imitated")
	}
	if err := outer.required("member_card"); err != nil {
		return nil, err
	}
	if err := checkMemberCard(outer.object("member_card")); err != nil {
		return nil, err
	}
	if len(s.cards) >= maxCards {
		return nil, refuse(-1, "more cards than a simulator holds")
	}
	made := s.newCard(outer.object("member_card"), c)
	return success(object{"card_id": made.id}), nil
}

func (s *Sim) newCard(form fields, c *call) *card {
	quantity := form.object("base_info").object("sku").integer("quantity")
	id := cmp.Or(s.nextCardID, "pSim"+s.randomString(urlSafe, 24))
	s.nextCardID = ""
	made := &card{id: id, memberCard: cloneTree(form.values).(map[string]any), status: notVerified,
		quantity: quantity, total: quantity, created: c.now, updated: c.now,
		codes: map[string]*walletCard{}, pool: codePool{all: map[string]bool{}}, usedNonces: newBoundedMap[bool](500_000)}
	if s.assumptions.UnknownField == "dropped" {
		dropUnknown(made.memberCard)
	}
	withDefaults(made.memberCard)
	s.cards[made.id] = made
	s.cardOrder = append(s.cardOrder, made)
	return made
}

// getCard is POST /card/get ("View card details").
func (s *Sim) getCard(_ *call, found *card) (object, error) {
	return success(object{"card": s.cardJSON(found)}), nil
}

// cardJSON returns the card as /card/get shows it.
func (s *Sim) cardJSON(c *card) object {
	member := cloneTree(c.memberCard).(map[string]any)
	base := member["base_info"].(map[string]any)
	base["id"], base["status"] = c.id, s.statusName(c.status)
	base["create_time"], base["update_time"] = c.created.Unix(), c.updated.Unix()
	base["sku"] = map[string]any{"quantity": c.quantity, "total_quantity": c.total}
	return object{"card_type": "MEMBER_CARD", "member_card": member}
}

// batchGet is POST /card/batchget ("Batch query of cards").
func (s *Sim) batchGet(c *call) (object, error) {
	offset, count := c.body.integer("offset"), c.body.integer("count")
	wanted := c.body.textList("status_list")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if offset < 0 || count < 1 || count > 50 {
		return nil, refuse(40097, "offset is negative or count not 1 to 50")
	}
	ids := []string{}
	for _, one := range s.cardOrder {
		if len(wanted) == 0 || slices.Contains(wanted, s.statusName(one.status)) {
			ids = append(ids, one.id)
		}
	}
	total := int64(len(ids))
	from, to := min(offset, total), min(offset+count, total)
	return success(object{"card_id_list": ids[from:to], "total_num": total}), nil
}

// updateCard is POST /card/update ("Update card"). A change of what users see
// sends the card to review again.
func (s *Sim) updateCard(c *call, found *card) (object, error) {
	if found.status == cardDeleted {
		return nil, refuse(40078, "the card was deleted")
	}
	if err := c.body.required("member_card"); err != nil {
		return nil, err
	}
	patch := c.body.object("member_card")
	merged, err := s.merged(found, patch)
	if err != nil {
		return nil, err
	}
	if s.assumptions.UnknownField == "dropped" {
		dropUnknown(merged)
	}
	again := needsReview(found.memberCard, merged)
	found.memberCard, found.updated = merged, c.now
	if again {
		found.status = notVerified
	}
	return success(object{"send_check": again}), nil
}

// merged returns a copy of the card with the patch applied, or why the card must
// not change so.
func (s *Sim) merged(c *card, patch fields) (map[string]any, error) {
	base := patch.object("base_info")
	if err := patch.err(); err != nil {
		return nil, err
	}
	if err := c.checkImmutable(patch, base); err != nil {
		return nil, err
	}
	tree := cloneTree(c.memberCard).(map[string]any)
	mergeTree(tree, patch.values)
	return tree, checkMemberCard(fields{tree, patch.state})
}

// checkImmutable refuses changes of what is fixed at creation.
func (c *card) checkImmutable(patch, base fields) error {
	switch {
	case base.has("bind_openid") && base.boolean("bind_openid") != c.baseFlag("bind_openid"):
		return refuse(40112, "bind_openid cannot change")
	case base.has("use_custom_code") && base.boolean("use_custom_code") != c.baseFlag("use_custom_code"),
		base.has("get_custom_code_mode") && base.text("get_custom_code_mode") != c.baseText("get_custom_code_mode"):
		return refuse(40150, "the code mode cannot change")
	case base.has("sku"):
		return refuse(40150, "stock changes with /card/modifystock")
	case patch.has("supply_bonus") && !patch.boolean("supply_bonus") && c.flag("supply_bonus"):
		return refuse(40135, "supply_bonus cannot be unset")
	case patch.boolean("wx_activate") && c.flag("auto_activate"):
		return refuse(40150, "an auto_activate card cannot become one-click")
	}
	return patch.err()
}

// needsReview reports whether a text or a picture differs: those are reviewed.
func needsReview(old, now map[string]any) bool {
	return differ(old, now, "prerogative", "background_pic_url", "bonus_rules", "balance_rules",
		"custom_field1", "custom_field2", "custom_field3", "custom_cell1", "custom_cell2", "custom_cell3") ||
		differ(old["base_info"].(map[string]any), now["base_info"].(map[string]any), "logo_url", "brand_name", "title", "notice",
			"description", "center_title", "custom_url_name", "promotion_url_name")
}

func differ(old, now map[string]any, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return !reflect.DeepEqual(old[name], now[name]) })
}

// deleteCard is POST /card/delete ("Delete card").
func (s *Sim) deleteCard(c *call, found *card) (object, error) {
	found.status, found.updated = cardDeleted, c.now
	return success(nil), nil
}

// modifyStock is POST /card/modifystock ("Modify stock").
func (s *Sim) modifyStock(c *call, found *card) (object, error) {
	more, less := c.body.integer("increase_stock_value"), c.body.integer("reduce_stock_value")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	quantity := found.quantity + more - less
	switch {
	case found.status == cardDeleted:
		return nil, refuse(40078, "the card was deleted")
	case more < 0 || less < 0 || quantity < 0 || more > maxQuantity || quantity > maxQuantity:
		return nil, refuse(40122, "stock would leave 0 to %d", maxQuantity)
	case found.isDeposit() && quantity > found.depositLeft():
		return nil, refuse(40136, "stock would be above the %d deposited codes that are left", found.depositLeft())
	}
	found.quantity, found.total = quantity, found.total+more-less
	return success(nil), nil
}

// setTestWhitelist is POST /card/testwhitelist/set ("Set test whitelist"). It
// replaces the list. The user name of a simulated person is that of the phone.
func (s *Sim) setTestWhitelist(c *call) (object, error) {
	openIDs, names := c.body.textList("openid"), c.body.textList("username")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if limit := number(s.assumptions.WhitelistLimit); len(openIDs)+len(names) > limit {
		return nil, refuse(40150, "more than %d testers (guess whitelist_limit)", limit)
	}
	testers := map[string]bool{}
	for _, id := range openIDs {
		if s.openIDs[id] == nil {
			return nil, refuse(40003, "openid is not one of the Official Account")
		}
		testers[id] = true
	}
	for _, name := range names {
		testers["name:"+name] = true
	}
	s.testers = testers
	return success(nil), nil
}

func (s *Sim) isTester(p *person) bool { return s.testers[p.openID] || s.testers["name:"+p.name] }
