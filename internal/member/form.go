package member

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/phone"
)

// ErrTicketUsed is returned by Submit for an activate_ticket that was used for
// another code before.
var ErrTicketUsed = errors.New("member: the activate_ticket was used for another code")

// Answer is one answer on a one-click form.
type Answer struct {
	Name   string   `json:"name"`
	Value  string   `json:"value,omitempty"`
	Values []string `json:"values,omitempty"` // the choices of a check box
}

// text returns the answer as one text; several choices are joined.
func (a Answer) text() string {
	if len(a.Values) > 0 {
		return strings.Join(a.Values, ", ")
	}
	return a.Value
}

// phoneAnswer is the answer in which WeChat returns the phone number.
const phoneAnswer = "USER_FORM_INFO_FLAG_MOBILE"

// Form is what came with an activate_ticket.
type Form struct {
	TicketHash string
	Answers    []Answer // nil: not fetched
}

// SealedForm is a stored form. An empty one contains nothing that was filled in.
type SealedForm struct {
	Key    string // of its row
	Phone  string // keyed hash of the phone number, to find the member by
	Sealed string // the answers, encrypted
}

// FormKeys encrypts forms and phone numbers, and indexes phone numbers; see package datakey.
type FormKeys interface {
	// Seal encrypts plain and binds it to about.
	Seal(plain []byte, about string) string
	// Open returns an error if no key opens the text, or it is bound to something
	// else.
	Open(sealed, about string) ([]byte, error)
	// Newest reports whether Seal would use the key that sealed the text.
	Newest(sealed string) bool
	// Index returns the hash under which a value is stored, Indexes all under
	// which it may be.
	Index(value string) string
	Indexes(value string) []string
}

// SealForms makes the Service store forms and phone numbers, and find members by phone
// number; without it, the Service does neither. SealForms must be called before the Service is used.
func (s *Service) SealForms(keys FormKeys) { s.formKeys = keys }

// Submitted reports whether the ticket was used for this code before. It returns
// ErrTicketUsed if it was used for another code.
func (s *Service) Submitted(ctx context.Context, ticketHash, cardID, code string) (bool, error) {
	id, usedCode, err := s.store.FormCode(ctx, ticketHash)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case id != cardID || usedCode != code:
		return false, ErrTicketUsed
	}
	return true, nil
}

// Submit records that the member took the card through the open-card component
// (开卡组件) and filled in its form, and enqueues the activation of the card. Unlike in
// Claim, the code was sent by the client unencrypted. So a code that belongs to
// another member is accepted only while its card was never active and has no
// entries. Submit may be repeated. It returns ErrTicketUsed, ErrNotYours or
// ErrMemberUnknown.
func (s *Service) Submit(ctx context.Context, memberID string, claim Claim, form Form) (c Card, err error) {
	err = s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if err := mustExist(ctx, tx, memberID); err != nil {
			return err
		}
		if err := useTicket(ctx, tx, claim, form.TicketHash); err != nil {
			return err
		}
		if c, err = s.submittedCard(ctx, tx, memberID, claim); err != nil {
			return err
		}
		c.Life.Submitted = true
		c.markTaken(earliest, time.Now())
		if err := s.saveTaken(ctx, tx, c, claim.Plan, c.Status != Active); err != nil {
			return err
		}
		if err := s.putForm(ctx, tx, c.CardID, c.Code, form.Answers); err != nil {
			return err
		}
		if err := tx.MakeCardDue(ctx, c.CardID, c.Code); err != nil {
			return err
		}
		c, err = tx.Card(ctx, c.CardID, c.Code)
		return err
	})
	if err != nil {
		return Card{}, err
	}
	s.wake()
	return c, nil
}

// submittedCard returns the card as the member's, or ErrNotYours.
func (s *Service) submittedCard(ctx context.Context, tx peopleTx, memberID string, claim Claim) (Card, error) {
	before, err := tx.Card(ctx, claim.CardID, claim.Code)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return Card{}, err
	case err == nil && before.MemberID != memberID && (!before.ActivatedAt.IsZero() || before.Seq > 0):
		return Card{}, ErrNotYours
	}
	return s.claimedCard(ctx, tx, memberID, claim)
}

// useTicket records that a ticket was used for the claimed code.
func useTicket(ctx context.Context, tx Tx, claim Claim, ticketHash string) error {
	added, err := tx.UseTicket(ctx, ticketHash, claim.CardID, claim.Code)
	if err != nil || added {
		return err
	}
	cardID, code, err := tx.FormCode(ctx, ticketHash)
	if err == nil && (cardID != claim.CardID || code != claim.Code) {
		return ErrTicketUsed
	}
	return err
}

// ownsForm reports whether the form that WeChat has of a card is its holder's. The
// form of a card that was given away may be the giver's, unless the recipient has
// filled it in again.
func (c Card) ownsForm() bool { return !c.Ended() && (c.Life.GivenFrom == "" || c.Life.Submitted) }

// AddForm adds to the form of a card what WeChat says was filled in. It does nothing
// if that is there already, if it may be the giver's, and without SealForms. The
// same transaction must have saved the card; c is the card before that.
func (s *Service) AddForm(ctx context.Context, tx Tx, c Card, form []Answer) error {
	if len(form) == 0 || !c.ownsForm() {
		return nil
	}
	return s.putForm(ctx, tx, c.CardID, c.Code, form)
}

// KeepForm does in its own transaction what AddForm does, and returns the card as it
// is then. It does nothing if the card changed since it was read.
func (s *Service) KeepForm(ctx context.Context, c Card, form []Answer) (kept Card, err error) {
	if len(form) == 0 || !c.ownsForm() {
		return c, nil
	}
	if rows, err := s.changedForm(ctx, s.store, c.CardID, c.Code, form); err != nil || len(rows) == 0 {
		return c, err
	}
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		kept = c
		now, err := tx.Card(ctx, c.CardID, c.Code)
		if err != nil || now.Life.Version != c.Life.Version {
			return err
		}
		if err := Save(ctx, tx, now); err != nil {
			return err
		}
		if err := s.AddForm(ctx, tx, now, form); err != nil {
			return err
		}
		kept, err = tx.Card(ctx, c.CardID, c.Code)
		return err
	})
	return kept, err
}

// putForm adds answers to the form of a card.
func (s *Service) putForm(ctx context.Context, tx Tx, cardID, code string, form []Answer) error {
	rows, err := s.changedForm(ctx, tx, cardID, code, form)
	if err != nil {
		return err
	}
	return putRows(ctx, tx, cardID, code, rows)
}

func putRows(ctx context.Context, tx Tx, cardID, code string, rows []SealedForm) error {
	for _, row := range rows {
		if err := tx.PutForm(ctx, cardID, code, row); err != nil {
			return err
		}
	}
	return nil
}

// changedForm returns the rows to put, so that one row has all that was filled in
// for a card, with the phone number indexed in its one form; none if that is so. Rows
// that no key opens stay as they are.
func (s *Service) changedForm(ctx context.Context, r Reader, cardID, code string, form []Answer) ([]SealedForm, error) {
	if s.formKeys == nil {
		return nil, nil
	}
	rows, known, err := s.openForms(ctx, r, cardID, code)
	if err != nil {
		return nil, err
	}
	answers := merge(known, form)
	now := SealedForm{Key: formKey(cardID, code), Phone: s.formKeys.Index(phoneOf(answers))}
	same := len(rows) == 1 && rows[0].Key == now.Key && rows[0].Phone == now.Phone && reflect.DeepEqual(answers, known)
	if same || len(answers) == 0 {
		return nil, nil
	}
	plain, err := json.Marshal(answers)
	if err != nil {
		return nil, fmt.Errorf("encode a form: %w", err)
	}
	now.Sealed = s.formKeys.Seal(plain, sealContext(cardID, code))
	changed := []SealedForm{now}
	for _, row := range rows {
		if row.Key != now.Key {
			changed = append(changed, SealedForm{Key: row.Key})
		}
	}
	return changed, nil
}

// formKey returns the key of the row with the form of a code. Other rows record the
// tickets that were used; an earlier version stored the form with the ticket.
func formKey(cardID, code string) string {
	sum := sha256.Sum256([]byte(sealContext(cardID, code)))
	return hex.EncodeToString(sum[:])
}

// sealContext is what the sealed form of a card is bound to.
func sealContext(cardID, code string) string { return "form " + cardID + " " + code }

// openForms returns the rows of a card that a key opens, and the answers in them.
func (s *Service) openForms(ctx context.Context, r Reader, cardID, code string) (rows []SealedForm, answers []Answer, err error) {
	all, err := r.Forms(ctx, cardID, code)
	if err != nil || s.formKeys == nil {
		return nil, nil, err
	}
	for _, row := range all {
		plain, err := s.formKeys.Open(row.Sealed, sealContext(cardID, code))
		if err != nil {
			continue
		}
		var filledIn []Answer
		if err := json.Unmarshal(plain, &filledIn); err != nil {
			return nil, nil, fmt.Errorf("decode a form: %w", err)
		}
		rows, answers = append(rows, row), merge(answers, filledIn)
	}
	return rows, answers, nil
}

// merge returns the latest answer to each question, by name. An empty answer
// replaces none: WeChat does not say every answer in every call.
func merge(known, latest []Answer) []Answer {
	latest = slices.DeleteFunc(slices.Clone(latest), func(a Answer) bool { return a.text() == "" })
	merged := slices.DeleteFunc(slices.Clone(known), func(a Answer) bool {
		return slices.ContainsFunc(latest, func(l Answer) bool { return l.Name == a.Name })
	})
	merged = append(merged, latest...)
	slices.SortStableFunc(merged, func(a, b Answer) int { return cmp.Compare(a.Name, b.Name) })
	return merged
}

// phoneOf returns the text under which the phone number in a form is indexed, and
// the empty text without a number. It is what WeChat writes for most numbers, and
// what earlier versions indexed.
func phoneOf(form []Answer) string {
	for _, a := range form {
		if number := phone.Normalize(a.text()); a.Name == phoneAnswer && number != "" {
			return phone.Short(number)
		}
	}
	return ""
}

// phoneHashes returns the hashes that a phone number may be stored as: of its one
// form and, in a row that IndexForms has not reached yet, of the number as typed.
func (s *Service) phoneHashes(typed string) (hashes []string) {
	number := phone.Normalize(typed)
	if s.formKeys == nil || number == "" {
		return nil
	}
	for _, text := range slices.Compact([]string{phone.Short(number), typed}) {
		hashes = append(hashes, s.formKeys.Indexes(text)...)
	}
	return hashes
}

// IndexForms prepares forms that an earlier version stored, so that their phone
// numbers are found in any spelling. It looks at up to 500 of them; the next call
// continues from there. A form that no key opens stays as it is.
func (s *Service) IndexForms(ctx context.Context) error {
	const most = 500
	if s.formKeys == nil {
		return nil
	}
	after, _ := s.indexedUpTo.Load().(string)
	forms, err := s.store.UnindexedForms(ctx, after, most)
	for _, f := range forms {
		if err == nil {
			err = s.indexForm(ctx, f)
			after = f.Key
		}
	}
	if err != nil {
		return err
	}
	if len(forms) < most {
		after = ""
	}
	s.indexedUpTo.Store(after)
	return nil
}

func (s *Service) indexForm(ctx context.Context, f UnindexedForm) error {
	return s.write(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.LockCard(ctx, f.CardID, f.Code); err != nil {
			return err
		}
		return s.putForm(ctx, tx, f.CardID, f.Code, nil)
	})
}

// UnindexedForm is a row of a form that an earlier version stored.
type UnindexedForm struct{ Key, CardID, Code string }

// dropForm deletes the form of a recipient's code, which is the giver's, unless the
// recipient has filled it in.
func dropForm(ctx context.Context, tx Tx, cardID, code string) error {
	c, err := tx.Card(ctx, cardID, code)
	if err != nil || c.Life.Submitted {
		return err
	}
	rows, err := tx.Forms(ctx, cardID, code)
	for i := range rows {
		rows[i] = SealedForm{Key: rows[i].Key}
	}
	if err != nil {
		return err
	}
	return putRows(ctx, tx, cardID, code, rows)
}

// Answers returns what was filled in for a card, by name: the latest answer to each
// question. It returns none if no key opens the form.
func (s *Service) Answers(ctx context.Context, cardID, code string) (map[string]string, error) {
	_, form, err := s.openForms(ctx, s.store, cardID, code)
	if err != nil || len(form) == 0 {
		return nil, err
	}
	answers := map[string]string{}
	for _, a := range form {
		answers[a.Name] = a.text()
	}
	return answers, nil
}

// AwaitActivation blocks until the card's status is no longer Claimed, or patience
// has passed, and returns the card.
func (s *Service) AwaitActivation(ctx context.Context, cardID, code string, patience time.Duration) (Card, error) {
	const interval = 40 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		c, err := s.store.Card(ctx, cardID, code)
		if err != nil || c.Status != Claimed || time.Now().After(end) {
			return c, err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return c, fmt.Errorf("wait for the activation: %w", context.Cause(ctx))
		}
	}
}
