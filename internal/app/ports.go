package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/phonecode"
	"github.com/addcard/addcard/internal/timeline"
	"github.com/addcard/addcard/internal/trail"
	"github.com/addcard/addcard/internal/wechat"
)

// login implements auth.CodeExchanger with a call of wechat.App. It translates WeChat's
// refusals to package auth's errors.
type login func(ctx context.Context, code string) (openID, unionID string, err error)

func (l login) Exchange(ctx context.Context, code string) (openID, unionID string, err error) {
	ctx, end := wechat.UntilSent(ctx)
	defer end()
	openID, unionID, err = l(ctx, code)
	var refused *wechat.Error
	if !errors.As(err, &refused) {
		return openID, unionID, err
	}
	switch {
	case refused.LoginCodeRefused():
		err = fmt.Errorf("%w: %w", auth.ErrCodeRefused, err)
	case refused.UserBlocked():
		err = fmt.Errorf("%w: %w", auth.ErrUserBlocked, err)
	case refused.LoginTooOften():
		err = fmt.Errorf("%w: %w", auth.ErrTooFast, err)
	case refused.NotSent():
		err = fmt.Errorf("%w: %w", auth.ErrNotSent, err)
	}
	return "", "", err
}

// sessions returns what the public listener logs in with: s, or with mock a service that
// also logs in DevTools without an AppID.
func sessions(s *auth.Service, mock func() (string, error)) public.Sessions {
	if mock == nil {
		return s
	}
	return mockSessions{s, mock}
}

// mockSessions implements public.Sessions for the sandbox; see Options.MockLogin.
type mockSessions struct {
	*auth.Service
	mock func() (code string, err error)
}

func (m mockSessions) Login(ctx context.Context, code string) (token string, s auth.Session, err error) {
	token, s, err = m.Service.Login(ctx, code)
	if !errors.Is(err, auth.ErrCodeMock) {
		return token, s, err
	}
	if code, err = m.mock(); err != nil {
		return "", auth.Session{}, err
	}
	return m.Service.Login(ctx, code)
}

// pageLogin returns the Login of package weblogin.
func pageLogin(sessions *auth.Service) func(context.Context, string) (string, time.Duration, error) {
	return func(ctx context.Context, code string) (string, time.Duration, error) {
		token, s, err := sessions.LoginOnPage(ctx, code)
		return token, s.ExpiresAt.Sub(s.IssuedAt), err
	}
}

// enroller implements auth.Enroller, and records the logins.
type enroller struct {
	members *member.Service
	trail   *trail.Recorder
}

func (e enroller) Enroll(ctx context.Context, appID, openID, unionID string) (memberID string, err error) {
	if memberID, err = e.members.Enroll(ctx, appID, openID, unionID); err == nil {
		e.trail.Login(memberID)
	}
	return memberID, err
}

// phoneButton implements phonecode.WeChat.
type phoneButton struct{ client *wechat.Client }

func (b phoneButton) PhoneNumber(ctx context.Context, code, openID string) (phonecode.Number, error) {
	n, err := b.client.PhoneNumber(ctx, code, openID)
	var refused *wechat.Error
	if errors.As(err, &refused) && refused.PhoneCodeRefused() {
		err = fmt.Errorf("%w: %w", phonecode.ErrCode, err)
	}
	return phonecode.Number(n), err
}

// phones implements phonecode.Members, and records that a number was verified.
type phones struct {
	*member.Service
	trail *trail.Recorder
}

func (p phones) SetPhone(ctx context.Context, memberID, number string) error {
	err := p.Service.SetPhone(ctx, memberID, number)
	if err == nil {
		p.trail.Phone(memberID)
	}
	return err
}

// account implements card.Account.
type account struct{ client *wechat.Client }

func (a account) Card(ctx context.Context, cardID string) (card.Card, error) {
	c, _, err := a.RawCard(ctx, cardID)
	return c, err
}

func (a account) RawCard(ctx context.Context, cardID string) (card.Card, json.RawMessage, error) {
	got, raw, err := a.client.Card(ctx, cardID)
	if err != nil {
		return card.Card{}, nil, unknownCard(err)
	}
	var fields [3]card.CustomField
	for i, f := range got.CustomFields {
		fields[i] = card.CustomField(f)
	}
	return card.Card{
		ID: cardID, Status: card.Status(got.Status), Title: got.Title, BrandName: got.BrandName, LogoURL: got.LogoURL,
		Color: got.Color, BackgroundPicURL: got.BackgroundPicURL, Prerogative: got.Prerogative, Description: got.Description,
		Notice: got.Notice, ServicePhone: got.ServicePhone, CodeType: got.CodeType,
		SupplyBonus: got.SupplyBonus, SupplyBalance: got.SupplyBalance, CustomFields: fields,
		UseCustomCode: got.UseCustomCode, Deposit: got.GetCustomCodeMode == card.DepositMode,
		BindOpenID: got.BindOpenID, DateType: got.DateType, Quantity: got.Quantity, TotalQuantity: got.TotalQuantity,
		AutoActivate: got.AutoActivate, WxActivate: got.WxActivate,
		JumpForm: got.WxActivateAfterSubmit && got.WxActivateAfterSubmitURL != "",
	}, raw, nil
}

// unknownCard adds card.ErrNotFound to WeChat's errors about a card that the
// account does not have.
func unknownCard(err error) error {
	var refused *wechat.Error
	if errors.As(err, &refused) && refused.UnknownCard() {
		return fmt.Errorf("%w: %w", card.ErrNotFound, err)
	}
	return err
}

func (a account) CreateCard(ctx context.Context, raw json.RawMessage) (string, error) {
	return a.client.CreateCard(ctx, raw)
}

func (a account) UpdateCard(ctx context.Context, cardID string, memberCard json.RawMessage) (bool, error) {
	check, err := a.client.UpdateCard(ctx, cardID, memberCard)
	return check, unknownCard(err)
}

func (a account) DeleteCard(ctx context.Context, cardID string) error {
	return unknownCard(a.client.DeleteCard(ctx, cardID))
}

func (a account) ModifyStock(ctx context.Context, cardID string, delta int64) error {
	return unknownCard(a.client.ModifyStock(ctx, cardID, delta))
}

func (a account) SetActivationForm(ctx context.Context, cardID string, form json.RawMessage) error {
	return unknownCard(a.client.SetActivationForm(ctx, cardID, form))
}

func (a account) UploadImage(ctx context.Context, name string, picture []byte) (string, error) {
	return a.client.UploadImage(ctx, name, picture)
}

func (a account) CreateQRCode(ctx context.Context, q card.QRCode) (card.QRTicket, error) {
	t, err := a.client.CreateQRCode(ctx, wechat.QRCode(q))
	return card.QRTicket(t), unknownCard(err)
}

func (a account) CreateShelf(ctx context.Context, shelf json.RawMessage) (string, int64, error) {
	return a.client.CreateShelf(ctx, shelf)
}

func (a account) SetTestWhitelist(ctx context.Context, openIDs, userNames []string) error {
	return a.client.SetTestWhitelist(ctx, openIDs, userNames)
}

func (a account) DepositCodes(ctx context.Context, cardID string, codes []string) (accepted, duplicate, refused []string, err error) {
	d, err := a.client.DepositCodes(ctx, cardID, codes)
	return d.Accepted, d.Duplicate, d.Refused, unknownCard(err)
}

func (a account) DepositCount(ctx context.Context, cardID string) (int64, error) {
	n, err := a.client.DepositCount(ctx, cardID)
	return n, unknownCard(err)
}

func (a account) CheckCodes(ctx context.Context, cardID string, codes []string) ([]string, error) {
	there, _, err := a.client.CheckCodes(ctx, cardID, codes)
	return there, unknownCard(err)
}

func (a account) MakeUnavailable(ctx context.Context, cardID, code, reason string) error {
	err := a.client.MakeUnavailable(ctx, cardID, code, reason)
	var refused *wechat.Error
	if errors.As(err, &refused) && refused.CodeUnusable() {
		if state, asked := a.client.Code(ctx, cardID, code); asked == nil && state.CardID == cardID && state.Status == "UNAVAILABLE" {
			return nil
		}
	}
	return unknownCard(err)
}

func (a account) CardIDs(ctx context.Context, offset int) (ids []string, total int, err error) {
	const page = 50 // WeChat's maximum
	return a.client.Cards(ctx, offset, page)
}

// examined implements doctor.Official.
type examined struct {
	account
	*wechat.App
}

func (e examined) Quota(ctx context.Context, path string) (wechat.Quota, error) {
	return e.client.Quota(ctx, path)
}

// codes implements cardlist.Codes and opencard.Codes.
type codes struct{ client *wechat.Client }

func (c codes) DecryptCode(ctx context.Context, encrypted string) (string, error) {
	code, err := c.client.DecryptCode(ctx, encrypted)
	var refused *wechat.Error
	if errors.As(err, &refused) && refused.EncryptedCodeRefused() {
		err = fmt.Errorf("%w: %w", cardlist.ErrCodeInvalid, err)
	}
	return code, err
}

func (c codes) Holder(ctx context.Context, cardID, code string) (string, error) {
	state, err := c.client.Code(ctx, cardID, code)
	var refused *wechat.Error
	if errors.As(err, &refused) && refused.NotDelivered() {
		return "", fmt.Errorf("%w: %w", cardlist.ErrNotYours, err)
	}
	if err == nil && (state.CardID != cardID || state.Status != "NORMAL" || state.OpenID == "") {
		return "", cardlist.ErrNotYours
	}
	return state.OpenID, err
}

// memberCards implements what package cardsync needs of member cards at WeChat.
type memberCards struct{ client *wechat.Client }

func (m memberCards) Activate(ctx context.Context, a cardsync.Activation) error {
	out := wechat.Activation{CardID: a.CardID, Code: a.Code, MembershipNumber: a.MembershipNumber, InitBonusRecord: a.Grant.Record}
	if a.Grant.Bonus != 0 || a.Grant.Balance != 0 {
		out.InitBonus, out.InitBalance = &a.Grant.Bonus, &a.Grant.Balance
	}
	return m.client.Activate(ctx, out)
}

func (m memberCards) CardInfo(ctx context.Context, cardID, code string) (member.CardInfo, error) {
	info, err := m.client.UserInfo(ctx, cardID, code)
	return member.CardInfo{
		OpenID: info.OpenID, Active: info.HasActive, MembershipNumber: info.MembershipNumber, Status: info.Status,
		Bonus: info.Bonus, Balance: info.Balance, Form: answers(info.Common, info.Custom),
	}, err
}

func (m memberCards) Update(ctx context.Context, u cardsync.Update) error {
	out := wechat.Update{CardID: u.CardID, Code: u.Code, Bonus: (*wechat.Change)(u.Bonus), Balance: (*wechat.Change)(u.Balance)}
	for i, value := range u.Fields {
		if value != nil {
			out.CustomFields[i] = &wechat.Field{Value: *value, Notify: u.NotifyFields[i]}
		}
	}
	_, err := m.client.UpdateUser(ctx, out)
	return err
}

func (m memberCards) Holder(ctx context.Context, cardID, code string) (openID, outerStr string, err error) {
	state, err := m.client.Code(ctx, cardID, code)
	if err == nil && state.CardID != cardID {
		return "", "", nil // another card's code of the same digits
	}
	return state.OpenID, state.OuterStr, err
}

func (m memberCards) CardsOf(ctx context.Context, openID string) ([]cardsync.Key, error) {
	list, err := m.client.CardList(ctx, openID, "")
	keys := make([]cardsync.Key, len(list))
	for i, key := range list {
		keys[i] = cardsync.Key(key)
	}
	return keys, err
}

// plans answers package member's questions about a card from the catalogue.
type plans struct{ catalogue *card.Catalogue }

func (p plans) Plan(ctx context.Context, cardID string) (member.Plan, error) {
	return planOf(p.catalogue.Cached(ctx, cardID))
}

func (p plans) FetchPlan(ctx context.Context, cardID string) (member.Plan, error) {
	return planOf(p.catalogue.GetUnlimited(ctx, cardID))
}

func (p plans) InitialGrant(ctx context.Context, cardID string) (member.InitialGrant, error) {
	c, err := p.catalogue.Load(ctx, cardID) // not from memory: the initial grant is booked once and never corrected
	if errors.Is(err, card.ErrNotFound) {
		err = member.ErrCardUnknown
	}
	return cardlist.InitialGrantOf(c), err
}

func planOf(c card.Card, err error) (member.Plan, error) {
	if errors.Is(err, card.ErrNotFound) {
		return "", member.ErrCardUnknown
	}
	return cardlist.PlanOf(c), err
}

// actions is the timeline.Source of what operators have done to a member or their cards.
type actions struct{ audit *audit.Service }

// Events implements timeline.Source.
func (a actions) Events(ctx context.Context, s timeline.Subject, m timeline.Mark, n int) ([]timeline.Event, error) {
	filters := []audit.Filter{{Subject: s.MemberID}}
	for _, c := range s.Cards {
		filters = append(filters, audit.Filter{CardID: c.CardID, Code: c.Code})
	}
	const source = "audit"
	after := m.Of(source)
	var events []timeline.Event // package timeline sorts them
	for _, f := range filters {
		list, err := a.audit.List(ctx, f, audit.Mark{At: after.At, ID: after.ID}, n)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			events = append(events, timeline.Event{
				At: r.At, Source: source, ID: r.ID, Kind: timeline.Operator, CardID: r.CardID, Code: r.Code, Name: r.Action,
				Actor: r.Actor, Outcome: string(r.Result),
			})
		}
	}
	return events, nil
}

// importedCards implements importer.Cards.
type importedCards struct{ catalogue *card.Catalogue }

func (i importedCards) Card(ctx context.Context, cardID string) (importer.Card, error) {
	c, err := i.catalogue.GetUnlimited(ctx, cardID)
	if errors.Is(err, card.ErrNotFound) {
		err = fmt.Errorf("card %s: %w", cardID, member.ErrCardUnknown)
	}
	return importer.Card{Bonus: c.SupplyBonus, Balance: c.SupplyBalance}, err
}

// holders implements importer.Holders.
type holders struct{ cards *cardsync.Service }

func (h holders) Adopt(ctx context.Context, cardID, code, openID, unionID string) (importer.Adoption, int, error) {
	c, known, calls, err := h.cards.Adopt(ctx, cardID, code, openID, unionID)
	switch {
	case errors.Is(err, cardsync.ErrNotInWallet):
		err = &importer.LineError{Column: member.MarkCode, Reason: "is in no wallet"}
	case errors.Is(err, cardsync.ErrOtherHolder):
		err = &importer.LineError{Column: member.MarkOpenID, Reason: "is not that of the code's holder, as WeChat says"}
	case errors.Is(err, member.ErrErased):
		err = &importer.LineError{Reason: "is about a person who was erased"}
	}
	return importer.Adoption{MemberID: c.MemberID, Bonus: c.Bonus, Balance: c.Balance, Known: known}, calls, err
}
