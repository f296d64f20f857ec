package card

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/audit"
)

// Editor is what an Operator needs of WeChat to create and change cards. All
// calls go over the network and are not repeated. An error has a method
// Ambiguous() bool if WeChat may have carried out the call; it returns true then.
type Editor interface {
	// RawCard returns the card and WeChat's own JSON for it, or ErrNotFound.
	RawCard(ctx context.Context, cardID string) (Card, json.RawMessage, error)
	CreateCard(ctx context.Context, card json.RawMessage) (cardID string, err error)
	UpdateCard(ctx context.Context, cardID string, memberCard json.RawMessage) (sendCheck bool, err error)
	DeleteCard(ctx context.Context, cardID string) error
	ModifyStock(ctx context.Context, cardID string, delta int64) error
	SetActivationForm(ctx context.Context, cardID string, form json.RawMessage) error
	UploadImage(ctx context.Context, name string, picture []byte) (url string, err error)
}

// Distributor is what an Operator needs of WeChat to distribute cards and to end
// codes.
type Distributor interface {
	CreateQRCode(ctx context.Context, q QRCode) (QRTicket, error)
	CreateShelf(ctx context.Context, shelf json.RawMessage) (url string, pageID int64, err error)
	SetTestWhitelist(ctx context.Context, openIDs, userNames []string) error
	// DepositCodes deposits at most 100 codes. CheckCodes returns those of at most
	// 100 codes that WeChat has.
	DepositCodes(ctx context.Context, cardID string, codes []string) (accepted, duplicate, refused []string, err error)
	DepositCount(ctx context.Context, cardID string) (int64, error)
	CheckCodes(ctx context.Context, cardID string, codes []string) (deposited []string, err error)
	// MakeUnavailable returns nil for a code that is already unavailable: the
	// answer to an earlier call may have been lost.
	MakeUnavailable(ctx context.Context, cardID, code, reason string) error
}

// Account is the Official Account at WeChat.
type Account interface {
	WeChat
	Editor
	Distributor
}

// Operator is what the merchant's staff do with cards, on the command line or
// with the admin API. It is safe for concurrent use. Each method blocks for its
// calls to WeChat, some seconds at most for each. It returns WeChat's errors
// unchanged, ErrNotFound for a card that the account does not have, and
// *InvalidError for what is wrong before WeChat is called.
type Operator struct {
	catalogue *Catalogue
	account   Account
	store     Store
	codeEnded func(ctx context.Context, cardID, code string) error
	log       *slog.Logger
}

// NewOperator returns an Operator that stores what it reads in the catalogue. It
// calls codeEnded after WeChat has made a code unavailable.
func NewOperator(
	c *Catalogue, account Account, codeEnded func(ctx context.Context, cardID, code string) error, log *slog.Logger,
) *Operator {
	return &Operator{catalogue: c, account: account, store: c.store, codeEnded: codeEnded, log: log}
}

// Field is a problem of one JSON field, at a path such as
// member_card.base_info.title.
type Field struct{ Path, Message string }

// InvalidError lists what is wrong with the operator's input.
type InvalidError struct{ Fields []Field }

func (e *InvalidError) Error() string {
	text := "card: not valid"
	for _, f := range e.Fields {
		text += "; " + f.Path + ": " + f.Message
	}
	return text
}

func invalid(path, message string) error { return &InvalidError{[]Field{{path, message}}} }

// Get returns a card of the catalogue. It does not ask WeChat.
func (o *Operator) Get(ctx context.Context, cardID string) (Card, error) {
	return o.catalogue.Cached(ctx, cardID)
}

// List returns the cards of the catalogue, in the order of their card_ids.
func (o *Operator) List(ctx context.Context) ([]Card, error) {
	ids, err := o.store.IDs(ctx)
	if err != nil {
		return nil, err
	}
	cards := make([]Card, 0, len(ids))
	for _, id := range ids {
		c, err := o.catalogue.Cached(ctx, id)
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

// Show reads a card from WeChat, saves it in the catalogue, and returns it with
// WeChat's own JSON.
func (o *Operator) Show(ctx context.Context, cardID string) (Card, json.RawMessage, error) {
	before := time.Now()
	c, raw, err := o.account.RawCard(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		_, err = o.catalogue.saveMissing(ctx, cardID)
		if err == nil {
			err = ErrNotFound
		}
	}
	if err != nil {
		return Card{}, nil, err
	}
	c, err = o.catalogue.save(ctx, c, before)
	return c, raw, err
}

// Change is the outcome of an update.
type Change struct {
	SendCheck bool     // WeChat reviews the card again
	Changed   bool     // WeChat shows another card than before, or will after the review
	Ignored   []string // paths of fields that WeChat has accepted but does not have
}

// ErrReview is returned by Update for a change that may send a live card to review.
var ErrReview = errors.New("card: WeChat may review the card again, and until then only testers can claim it")

// Update changes the fields of a card that the document contains: the fields of
// member_card, alone or in one of WeChat's envelopes. It reads the card before and
// after, and does not call /card/update if the card has these values already. It
// returns an *InvalidError if WeChat has ignored all fields, and ErrReview, before
// anything is uploaded, if the document has KeepLive.
func (o *Operator) Update(ctx context.Context, cardID string, doc Document) (Change, error) {
	d, err := o.checkChange(ctx, cardID, doc)
	if err != nil {
		return Change{}, err
	}
	before, err := o.look(ctx, cardID)
	if err != nil || holds(before, d.root) {
		return Change{}, err
	}
	if doc.KeepLive && mayBeReviewed(before, d.root) {
		live, err := o.catalogue.Cached(ctx, cardID) // which look has read just now
		if err != nil {
			return Change{}, err
		}
		if live.Status == Verified || live.Status == Dispatched {
			return Change{}, ErrReview
		}
	}
	raw, err := o.upload(ctx, d)
	if err != nil {
		return Change{}, err
	}
	noteDifference(ctx, "", pick(before, d.root), d.root)
	sendCheck, err := o.account.UpdateCard(ctx, cardID, raw)
	if err != nil {
		return Change{}, err
	}
	change := Change{SendCheck: sendCheck, Changed: true}
	after, err := o.look(ctx, cardID)
	if err != nil {
		o.log.WarnContext(ctx, "read changed card: failed; the catalogue has the old one until the next read",
			"card_id", cardID, "error", err)
		return change, nil
	}
	change.Changed = sendCheck || !reflect.DeepEqual(before, after)
	change.Ignored = missing(after, d.unknown)
	if !change.Changed && len(change.Ignored) > 0 {
		return change, ignoredError(change.Ignored)
	}
	return change, nil
}

// look reads a card from WeChat, saves it in the catalogue, and returns its
// member_card without what changes by itself.
func (o *Operator) look(ctx context.Context, cardID string) (object, error) {
	_, raw, err := o.Show(ctx, cardID)
	if err != nil {
		return nil, err
	}
	card, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("card %s at WeChat %w", cardID, err)
	}
	memberCard := card.object("member_card")
	for _, name := range []string{"status", "update_time", "sku"} {
		delete(memberCard.object("base_info"), name)
	}
	return memberCard, nil
}

// ignored returns the fields of a card that WeChat has not kept.
func (o *Operator) ignored(ctx context.Context, cardID string, d *draft) []string {
	if len(d.unknown) == 0 {
		return nil
	}
	memberCard, err := o.look(ctx, cardID)
	if err != nil {
		return nil
	}
	return missing(memberCard, d.unknown)
}

// missing returns the paths that lead to no field of a member_card.
func missing(memberCard object, paths []string) (list []string) {
	for _, path := range paths {
		if strings.Contains(path, "[") {
			continue // of a list, whose elements WeChat may order in its own way
		}
		_, names, _ := strings.Cut(path, "member_card.")
		var value any = memberCard
		for name := range strings.SplitSeq(names, ".") {
			fields, _ := value.(object)
			value = fields[name]
		}
		if value == nil {
			list = append(list, path)
		}
	}
	return list
}

func ignoredError(paths []string) error {
	v := &validation{}
	for _, path := range paths {
		v.add(path, "is not a field of WeChat's: nothing was changed")
	}
	return v.err()
}

// refreshChanged reads a card that WeChat has just changed. The change is made,
// so a failure is only logged.
func (o *Operator) refreshChanged(ctx context.Context, cardID string) {
	if _, err := o.catalogue.refresh(ctx, cardID); err != nil && !errors.Is(err, ErrNotFound) {
		o.log.WarnContext(ctx, "read changed card: failed; the catalogue has the old one until the next read",
			"card_id", cardID, "error", err)
	}
}

// Delete deletes a card at WeChat: it can no longer be claimed, but members who
// have it keep it.
func (o *Operator) Delete(ctx context.Context, cardID string) error {
	if err := o.account.DeleteCard(ctx, cardID); err != nil {
		return err
	}
	_, err := o.catalogue.saveStatus(ctx, cardID, Deleted)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Stock adds delta, which may be negative, to the stock. It does not retry: when
// WeChat's answer is lost, the error also is ErrUncertain.
func (o *Operator) Stock(ctx context.Context, cardID string, delta int64) error {
	if delta == 0 {
		return invalid("delta", "changes nothing")
	}
	if delta > maxQuantity || delta < -maxQuantity {
		return invalid("delta", fmt.Sprintf("is beyond %d", maxQuantity))
	}
	lock, err := o.lock(ctx, stockLock(cardID), nil)
	if err != nil {
		return err
	}
	defer lock.release()
	audit.Note(ctx, "delta", nil, delta)
	err = o.account.ModifyStock(ctx, cardID, delta)
	switch {
	case ambiguous(err):
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	case err != nil:
		return err
	}
	o.refreshChanged(ctx, cardID)
	return nil
}

// ActivationForm sets the form of a one-click card (一键激活). form is the body of
// WeChat's call without card_id.
func (o *Operator) ActivationForm(ctx context.Context, cardID string, doc Document) error {
	c, err := o.catalogue.GetUnlimited(ctx, cardID)
	if err != nil {
		return err
	}
	if !c.WxActivate {
		return invalid("card_id", "the card is not one-click (wx_activate)")
	}
	form, err := o.checkForm(cardID, doc)
	if err != nil {
		return err
	}
	audit.Note(ctx, "form", nil, string(form))
	return o.account.SetActivationForm(ctx, cardID, form)
}

// Whitelist replaces the testers, who may claim a card in review. openIDs are
// openids of the Official Account, userNames are WeChat IDs.
func (o *Operator) Whitelist(ctx context.Context, openIDs, userNames []string) error {
	audit.Note(ctx, "testers", nil, len(openIDs)+len(userNames))
	return o.account.SetTestWhitelist(ctx, openIDs, userNames)
}

// Unavailable ends a code at WeChat for good; its holder sees 失效. It may be
// repeated.
func (o *Operator) Unavailable(ctx context.Context, cardID, code, reason string) error {
	if err := o.account.MakeUnavailable(ctx, cardID, code, reason); err != nil {
		return err
	}
	return o.codeEnded(context.WithoutCancel(ctx), cardID, code)
}

// Image uploads a PNG or JPEG picture of at most 1 MiB to WeChat's CDN, where all
// pictures of a card must be, and returns its URL there.
func (o *Operator) Image(ctx context.Context, picture []byte) (address string, err error) {
	name, err := pictureName(picture)
	if err != nil {
		return "", err
	}
	if address, err = o.account.UploadImage(ctx, name, picture); err != nil {
		return "", err
	}
	audit.Note(ctx, "url", nil, address)
	return address, o.store.AddPicture(ctx, address, pictureHash(picture))
}

// Shelf creates a page that shows cards (卡券货架). The document is the body of
// WeChat's call.
func (o *Operator) Shelf(ctx context.Context, doc Document) (address string, pageID int64, err error) {
	d, err := o.checkShelf(ctx, doc)
	if err != nil {
		return "", 0, err
	}
	shelf, err := o.upload(ctx, d)
	if err != nil {
		return "", 0, err
	}
	address, pageID, err = o.account.CreateShelf(ctx, shelf)
	audit.Note(ctx, "url", nil, address)
	return address, pageID, err
}

// SettingsChange lists changes of Settings. A nil field leaves its setting
// unchanged.
type SettingsChange struct {
	ActivateOnClaim     *bool
	FixedBeginTimestamp *bool
	InitBonus           *int64
	InitBalance         *int64
	InitBonusRecord     *string
}

const (
	// maxInit bounds an initial grant, far above what a shop gives.
	maxInit = 1_000_000_000
	// maxRecord is the number of bytes of a record that WeChat shows: 14 汉字.
	maxRecord = 42
)

// Settings changes the settings of a card and returns the card.
func (o *Operator) Settings(ctx context.Context, cardID string, change SettingsChange) (Card, error) {
	c, err := o.catalogue.GetUnlimited(ctx, cardID)
	if err != nil {
		return Card{}, err
	}
	if err := checkSettings(c, change); err != nil {
		return Card{}, err
	}
	var before, after Settings
	err = o.store.Configure(ctx, cardID, func(s *Settings) {
		before = *s
		assign(&s.FixedBeginTimestamp, change.FixedBeginTimestamp)
		assign(&s.InitBonus, change.InitBonus)
		assign(&s.InitBalance, change.InitBalance)
		assign(&s.InitBonusRecord, change.InitBonusRecord)
		if change.ActivateOnClaim != nil {
			s.ActivateOnClaim = change.ActivateOnClaim
		}
		after = *s
	})
	if err != nil {
		return Card{}, err
	}
	noteSettings(ctx, before, after)
	return o.catalogue.Load(ctx, cardID)
}

// assign sets field to *value unless value is nil.
func assign[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}
