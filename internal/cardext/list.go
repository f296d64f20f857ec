package cardext

import "encoding/json"

// Item is one element of the cardList that wx.addCard takes.
type Item struct {
	CardID string `json:"cardId"`
	// CardExt is JSON: of a string if the item is right, of an object if the
	// cardExt was not made a string.
	CardExt json.RawMessage `json:"cardExt"`
}

// ReadItems returns the items of a text that a person has pasted: of a cardList,
// alone or in an object, or of a single item. Any other text is taken for a
// cardExt, whose card_id is not known. It never returns an empty list.
func ReadItems(text string) []Item {
	var list struct {
		CardList []Item `json:"cardList"`
	}
	if json.Unmarshal([]byte(text), &list) == nil && len(list.CardList) > 0 {
		return list.CardList
	}
	if json.Unmarshal([]byte(text), &list.CardList) == nil && len(list.CardList) > 0 {
		return list.CardList
	}
	var one Item
	if json.Unmarshal([]byte(text), &one) == nil && len(one.CardExt) > 0 {
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
