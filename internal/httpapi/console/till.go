package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/shop"
)

// tillPage is the page of a cashier: a code finds a card, and a form books on it.
type tillPage struct {
	Query    string
	Card     *memberCard  // that the query names
	Choice   []memberCard // the cards that it may mean, if those are several
	Accounts []account    // imported accounts that it names and that wait for their person
	Result   *tillEntry   // what was booked
	Again    bool         // it was booked before
	Conflict bool         // with other amounts than those of the form
	Own      []tillEntry  // what the person has booked last
	Settings shop.Settings
	Store    string // where this device is
	Key      string // the Idempotency-Key of the form
}

// Asks reports whether the page has the form to book with.
func (t tillPage) Asks() bool {
	return t.Card != nil && t.Card.Held() && (t.Result == nil || t.Conflict)
}

// TakesBalance reports whether the form has a field for the balance: a card that is not
// known yet may have one.
func (t tillPage) TakesBalance() bool { return t.Card == nil || t.Card.HasBalance }

// Offline returns the page without a card, for the form that waits for the network.
func (t tillPage) Offline() tillPage {
	t.Card = nil
	return t
}

// tillEntry is an entry as the till shows it.
type tillEntry struct {
	bookedEntry

	Mine bool `json:"-"` // the person may undo it
}

// till shows the page.
func (c *Console) till(r *request) error {
	var result *tillEntry
	if id := r.Query("entry"); id != "" {
		var err error
		if result, err = r.entryOn(r.Query("card_id"), r.Query("code"), id, r.Query("order")); err != nil {
			return err
		}
	}
	return c.showTill(r, result, r.Query("again") != "")
}

// showTill shows the page with what was booked, unless that is nil.
func (c *Console) showTill(r *request, result *tillEntry, again bool) error {
	page := tillPage{Query: strings.TrimSpace(r.value("query")), Result: result, Again: again, Store: r.store(), Key: uuid.NewString()}
	page.Conflict = again && r.problem != nil
	cardID, code := r.value("card_id"), r.value("code")
	if query := cmp.Or(code, page.Query); query != "" {
		cards, accounts, err := r.cardsOf(query, cardID)
		if err != nil {
			return err
		}
		page.Accounts = accounts
		if page.Query, page.Choice = query, cards; len(cards) == 1 {
			page.Card, page.Choice = &cards[0], nil
		}
	}
	if err := r.get("/v1/settings", nil, &page.Settings); err != nil {
		return err
	}
	who := r.who()
	var own struct{ Entries []tillEntry }
	if err := r.get(allEntriesPath, url.Values{"actor": {who.Name}, "limit": {"5"}}, &own); err != nil {
		return err
	}
	for i := range own.Entries {
		own.Entries[i].Mine = mayUndo(who, own.Entries[i].entry)
	}
	page.Own = own.Entries
	if page.Card != nil {
		if err := r.describeAtTill(page.Card); err != nil {
			return err
		}
		r.offer(http.MethodPost, entriesPath(page.Card.CardID, page.Card.Code), page.Key,
			map[string]any{"add_bonus": 30, "order": "1001", "once_per_order": true})
	}
	return r.render(http.StatusOK, "till", page)
}

// describeAtTill adds what the kind of a card says, which a cashier cannot look for in
// the list.
func (r *request) describeAtTill(m *memberCard) error {
	var kind listedCard
	err := r.get("/v1/cards/"+url.PathEscape(m.CardID)+"/face", nil, &kind)
	var p *problem
	if unknown := errors.As(err, &p) && p.Status == http.StatusNotFound; err != nil && !unknown {
		return err
	}
	r.describe(m, kind)
	return nil
}

// mayUndo reports whether a person may reverse an entry: a cashier an own one, and not
// for long.
func mayUndo(who web.Principal, e entry) bool {
	young := time.Since(e.CreatedAt) < shop.UndoTime
	return e.Undoable() && (who.Role != web.Cashier || e.Actor == who.Name && young)
}

// value returns a field of the form, or else of the query.
func (r *request) value(name string) string { return cmp.Or(r.PostForm(name), r.Query(name)) }

// cardsOf returns the cards that a code, a membership number or a phone number names,
// or only that with the card_id. Those that take entries come alone, if there are any.
// It also returns the imported accounts that wait for their person.
func (r *request) cardsOf(query, cardID string) ([]memberCard, []account, error) {
	var found struct {
		Members  []person
		Accounts []account
	}
	if err := r.get("/v1/members", url.Values{"query": {query}}, &found); err != nil {
		return nil, nil, err
	}
	var named, held, all []memberCard
	for _, p := range found.Members {
		for _, card := range p.Cards {
			if cardID != "" && (card.CardID != cardID || card.Code != query) {
				continue
			}
			if all = append(all, card); card.Held() {
				held = append(held, card)
			}
			if card.Code == query || card.MembershipNumber == query {
				named = append(named, card)
			}
		}
	}
	switch {
	case len(named) > 0:
		return named, found.Accounts, nil
	case len(held) > 0:
		return held, found.Accounts, nil
	}
	return all, found.Accounts, nil
}

// entryOn returns an entry of a card, given by its ID and by its order if it has one.
// Without an ID it returns that of the order that counts. It returns nil if there is
// none.
func (r *request) entryOn(cardID, code, id, order string) (*tillEntry, error) {
	path, query := entriesPath(cardID, code), url.Values{"limit": {"20"}}
	if order != "" {
		path, query = allEntriesPath, url.Values{"order": {order}, "card_id": {cardID}, "limit": {"200"}}
	}
	var list struct{ Entries []tillEntry }
	if err := r.get(path, query, &list); err != nil {
		return nil, err
	}
	for _, e := range list.Entries {
		e.CardID, e.Code = cmp.Or(e.CardID, cardID), cmp.Or(e.Code, code)
		if e.Code == code && (e.ID == id || id == "" && e.Undoable()) {
			e.Mine = mayUndo(r.who(), e.entry)
			return &e, nil
		}
	}
	return nil, nil
}

// storeCookie has the name of the store in which a device is.
const storeCookie = "store"

// store returns where this device is, or "".
func (r *request) store() string {
	cookie, err := r.Request.Cookie(storeCookie)
	if err != nil {
		return ""
	}
	name, _ := url.QueryUnescape(cookie.Value)
	return name
}

// keepStore remembers where this device is for a year.
func (r *request) keepStore(name string) {
	http.SetCookie(r.Writer, &http.Cookie{
		Name: storeCookie, Value: url.QueryEscape(name), Path: r.console.prefix + "/till", MaxAge: 365 * 24 * 3600, HttpOnly: true,
		Secure: r.console.proxies.Secure(r.Request), SameSite: http.SameSiteLaxMode,
	})
}
