package card

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Making is what an Operator needs of WeChat to make and change cards. All
// calls go over the network and are not repeated. An error tells by a method
// Ambiguous() bool whether WeChat may have acted all the same.
type Making interface {
	// RawCard is the card as WeChat gives it, or ErrNotFound.
	RawCard(ctx context.Context, cardID string) (Card, json.RawMessage, error)
	CreateCard(ctx context.Context, card json.RawMessage) (cardID string, err error)
	UpdateCard(ctx context.Context, cardID string, memberCard json.RawMessage) (sendCheck bool, err error)
	DeleteCard(ctx context.Context, cardID string) error
	ModifyStock(ctx context.Context, cardID string, delta int64) error
	SetActivationForm(ctx context.Context, cardID string, form json.RawMessage) error
	UploadImage(ctx context.Context, name string, picture []byte) (url string, err error)
}

// Handing is what an Operator needs of WeChat to hand cards out.
type Handing interface {
	CreateQRCode(ctx context.Context, q QRCode) (QRTicket, error)
	CreateShelf(ctx context.Context, shelf json.RawMessage) (url string, pageID int64, err error)
	SetTestWhitelist(ctx context.Context, openIDs, userNames []string) error
	// DepositCodes hands over at most 100 codes; CheckCodes tells which of at
	// most 100 are there.
	DepositCodes(ctx context.Context, cardID string, codes []string) (taken, duplicate, refused []string, err error)
	DepositCount(ctx context.Context, cardID string) (int64, error)
	CheckCodes(ctx context.Context, cardID string, codes []string) (there []string, err error)
	// MakeUnavailable returns nil for a code that is unavailable already: the
	// answer to an earlier call may have been lost.
	MakeUnavailable(ctx context.Context, cardID, code, reason string) error
}

// Account is both, and what the catalogue needs.
type Account interface {
	WeChat
	Making
	Handing
}

// Operator is what the merchant's people do with cards, on the command line or
// by the operator's API. It is safe for concurrent use. Its methods block for
// WeChat, some seconds at most for each call they make. What WeChat answers is
// returned as it is; ErrNotFound is for a card that the account does not have,
// *InvalidError for what is wrong before WeChat is asked.
type Operator struct {
	catalogue *Catalogue
	account   Account
	store     Store
	ended     func(ctx context.Context, cardID, code string) error
	log       *slog.Logger
}

// NewOperator returns an Operator whose findings the catalogue keeps. ended is
// told of a code that WeChat has ended.
func NewOperator(c *Catalogue, account Account, ended func(ctx context.Context, cardID, code string) error, log *slog.Logger) *Operator {
	return &Operator{catalogue: c, account: account, store: c.store, ended: ended, log: log}
}

// Field is one thing that is wrong, at a path like member_card.base_info.title.
type Field struct{ Path, Message string }

// InvalidError lists what is wrong with what the operator wants.
type InvalidError struct{ Fields []Field }

func (e *InvalidError) Error() string {
	text := "card: not valid"
	for _, f := range e.Fields {
		text += "; " + f.Path + ": " + f.Message
	}
	return text
}

func invalid(path, message string) error { return &InvalidError{[]Field{{path, message}}} }

// List returns the catalogue, in the order of card_ids.
func (o *Operator) List(ctx context.Context) ([]Card, error) {
	ids, err := o.store.IDs(ctx)
	if err != nil {
		return nil, err
	}
	cards := make([]Card, 0, len(ids))
	for _, id := range ids {
		c, err := o.catalogue.Known(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		cards = append(cards, c)
	}
	return cards, nil
}

// Show asks WeChat for a card, keeps the answer, and returns it with what
// WeChat said word by word.
func (o *Operator) Show(ctx context.Context, cardID string) (Card, json.RawMessage, error) {
	before := time.Now()
	c, raw, err := o.account.RawCard(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		_, err = o.catalogue.lost(ctx, cardID)
		if err == nil {
			err = ErrNotFound
		}
	}
	if err != nil {
		return Card{}, nil, err
	}
	c, err = o.catalogue.keep(ctx, c, before)
	return c, raw, err
}

// Update changes a card at WeChat; memberCard holds what changes. sendCheck
// tells that the card goes to review again.
func (o *Operator) Update(ctx context.Context, cardID string, memberCard json.RawMessage) (sendCheck bool, err error) {
	if err := checkChange(memberCard); err != nil {
		return false, err
	}
	if sendCheck, err = o.account.UpdateCard(ctx, cardID, memberCard); err != nil {
		return false, err
	}
	o.reread(ctx, cardID)
	return sendCheck, nil
}

// reread brings the catalogue up to date after a change that WeChat took. The
// change is done, so a failure is only said.
func (o *Operator) reread(ctx context.Context, cardID string) {
	if _, err := o.catalogue.refresh(ctx, cardID); err != nil && !errors.Is(err, ErrNotFound) {
		o.log.WarnContext(ctx, "a changed card could not be read again", "card_id", cardID, "error", err)
	}
}

// Delete deletes a card at WeChat: nobody can take it any more. Whoever holds
// it keeps it.
func (o *Operator) Delete(ctx context.Context, cardID string) error {
	if err := o.account.DeleteCard(ctx, cardID); err != nil {
		return err
	}
	got, _, err := o.store.Load(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	got.Status = Deleted
	_, err = o.catalogue.keep(ctx, got, time.Now())
	return err
}

// Stock adds delta to the stock, or takes it away below 0. It is not repeated
// by itself: when WeChat's answer is lost the error is ErrUncertain, too.
func (o *Operator) Stock(ctx context.Context, cardID string, delta int64) error {
	if delta == 0 {
		return invalid("delta", "changes nothing")
	}
	if delta > maxQuantity || delta < -maxQuantity {
		return invalid("delta", fmt.Sprintf("is beyond %d", maxQuantity))
	}
	err := o.account.ModifyStock(ctx, cardID, delta)
	switch {
	case ambiguous(err):
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	case err != nil:
		return err
	}
	o.reread(ctx, cardID)
	return nil
}

// ActivationForm sets the form of a one-click card (一键激活); form is WeChat's
// body without card_id.
func (o *Operator) ActivationForm(ctx context.Context, cardID string, form json.RawMessage) error {
	c, err := o.catalogue.Learn(ctx, cardID)
	if err != nil {
		return err
	}
	if !c.WxActivate {
		return invalid("card_id", "the card is not one-click (wx_activate)")
	}
	if err := checkForm(form); err != nil {
		return err
	}
	return o.account.SetActivationForm(ctx, cardID, form)
}

// Whitelist replaces the testers, who may take a card that is still in review:
// openids of the Official Account, and WeChat IDs.
func (o *Operator) Whitelist(ctx context.Context, openIDs, userNames []string) error {
	return o.account.SetTestWhitelist(ctx, openIDs, userNames)
}

// Image puts a picture on WeChat's CDN and returns its URL there: card pictures
// must be there. It takes PNG and JPEG up to 1 MiB.
func (o *Operator) Image(ctx context.Context, picture []byte) (url string, err error) {
	name, ok := pictureName(picture)
	switch {
	case !ok:
		return "", invalid("", "is neither a PNG nor a JPEG picture")
	case len(picture) > maxPicture:
		return "", invalid("", "is larger than 1 MiB")
	}
	return o.account.UploadImage(ctx, name, picture)
}

// Shelf makes a page that shows cards (卡券货架); shelf is WeChat's own body.
func (o *Operator) Shelf(ctx context.Context, shelf json.RawMessage) (url string, pageID int64, err error) {
	if err := o.checkShelf(ctx, shelf); err != nil {
		return "", 0, err
	}
	return o.account.CreateShelf(ctx, shelf)
}

// SettingsChange is what changes of Settings; nil stays.
type SettingsChange struct {
	ActivateOnClaim     *bool
	FixedBeginTimestamp *bool
	InitBonus           *int64
	InitBalance         *int64
	InitBonusRecord     *string
}

// maxInit bounds what a card may begin with, far above what a shop gives.
const maxInit = 1_000_000_000

// maxRecord is how many bytes WeChat shows of a record: 14 汉字.
const maxRecord = 42

// Settings changes our settings of a card and returns them all.
func (o *Operator) Settings(ctx context.Context, cardID string, change SettingsChange) (Card, error) {
	c, err := o.catalogue.Learn(ctx, cardID)
	if err != nil {
		return Card{}, err
	}
	if err := checkSettings(c, change); err != nil {
		return Card{}, err
	}
	err = o.store.Configure(ctx, cardID, func(s *Settings) {
		set(&s.FixedBeginTimestamp, change.FixedBeginTimestamp)
		set(&s.InitBonus, change.InitBonus)
		set(&s.InitBalance, change.InitBalance)
		set(&s.InitBonusRecord, change.InitBonusRecord)
		if change.ActivateOnClaim != nil {
			s.ActivateOnClaim = change.ActivateOnClaim
		}
	})
	if err != nil {
		return Card{}, err
	}
	return o.catalogue.load(ctx, cardID)
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}
