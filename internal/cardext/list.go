package cardext

import "encoding/json"

// Item is one element of the cardList that wx.addCard takes.
type Item struct {
	CardID string `json:"cardId"`
	// CardExt is JSON: of a string if the item is right, of an object if the
	// cardExt was not made a string.
	CardExt json.RawMessage `json:"cardExt"`
}

// sentItem is an [Item] as the JS-SDK sends it to WeChat.
type sentItem struct {
	CardID  string          `json:"card_id"`
	CardExt json.RawMessage `json:"card_ext"`
}

// UnmarshalJSON also reads what the JS-SDK makes of an item.
func (i *Item) UnmarshalJSON(text []byte) error {
	type plain Item // without this method
	if err := json.Unmarshal(text, (*plain)(i)); err != nil {
		return err
	}
	var sent sentItem
	if i.CardID == "" && len(i.CardExt) == 0 && json.Unmarshal(text, &sent) == nil && len(sent.CardExt) > 0 {
		*i = Item(sent)
	}
	return nil
}

// ReadItems returns the items of a text that a person has pasted, in JSON or as a
// JavaScript literal: of a cardList, alone or in an object, or of a single item. Any other
// text is taken for a cardExt, whose card_id is not known. readable is false if the text is
// neither JSON nor such a literal. It never returns an empty list.
func ReadItems(text string) (items []Item, readable bool) {
	if as, ok := jsonOf(text); ok {
		text, readable = as, true
	}
	return readItems(text), readable
}

func readItems(text string) []Item {
	var list struct {
		CardList []Item `json:"cardList"`
	}
	var sent struct {
		CardList []Item `json:"card_list"`
	}
	var one Item
	switch raw := []byte(text); {
	case json.Unmarshal(raw, &list) == nil && len(list.CardList) > 0:
		return list.CardList
	case json.Unmarshal(raw, &list.CardList) == nil && len(list.CardList) > 0:
		return list.CardList
	case json.Unmarshal(raw, &sent) == nil && len(sent.CardList) > 0:
		return sent.CardList
	case json.Unmarshal(raw, &one) == nil && len(one.CardExt) > 0:
		return []Item{one}
	}
	one.CardExt, _ = json.Marshal(text) // a text always has JSON
	return []Item{one}
}

// Ext returns the cardExt as [Explain] takes it. It reports whether it was a
// string; see [Facts.NotString].
func (i Item) Ext() (cardExt string, isString bool) {
	if json.Unmarshal(i.CardExt, &cardExt) == nil && len(i.CardExt) > 0 && i.CardExt[0] == '"' {
		return cardExt, true
	}
	return string(i.CardExt), false
}
