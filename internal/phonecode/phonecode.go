// Package phonecode exchanges a code of <button open-type="getPhoneNumber"> for the
// phone number of the member who tapped the button, and records it.
package phonecode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/phone"
	"github.com/addcard/addcard/internal/ration"
)

var (
	// ErrCode is returned for a code that is wrong, expired, used, or another user's.
	ErrCode = errors.New("phonecode: WeChat refuses the code")
	// ErrOtherApp is returned if WeChat says that the number was shown to another
	// mini-program. Nothing is stored.
	ErrOtherApp = errors.New("phonecode: the number was shown to another mini-program")
	// ErrNoNumber is returned if what WeChat gives is no phone number.
	ErrNoNumber = errors.New("phonecode: WeChat gives no phone number")
	// ErrTooMany is returned when a member has used up the minute's exchanges.
	ErrTooMany = errors.New("phonecode: too many exchanges in this minute")
)

const (
	// perMinute is how many codes one member may exchange in a minute.
	perMinute = 5
	// codeLifetime is twice the lifetime of a code at WeChat.
	codeLifetime = 10 * time.Minute
	// timeout bounds an exchange: the call of WeChat takes 8 s at most.
	timeout = 15 * time.Second
)

// WeChat is what the Service needs of the mini-program.
type WeChat interface {
	// PhoneNumber sends the code once. It returns ErrCode if WeChat refuses it.
	PhoneNumber(ctx context.Context, code, openID string) (n Number, err error)
}

// Number is a phone number as WeChat gives it, and the mini-program that it was shown to.
type Number struct{ CountryCode, Number, AppID string }

// Members is what the Service needs of package member.
type Members interface {
	OpenID(ctx context.Context, memberID, appID string) (string, error)
	SetPhone(ctx context.Context, memberID, number string) error
}

// Service exchanges codes. It is safe for concurrent use.
type Service struct {
	AppID   string // the mini-program's
	WeChat  WeChat
	Members Members
	// LimitCalls bounds the exchanges of one member; see perMinute.
	LimitCalls bool

	exchanges ration.Budget
	numbers   ration.Answers[string]
}

// Exchange exchanges a code for the member's phone number, records it with
// Members.SetPhone and returns it in the form of package phone.
//
// A code can be used once, so Exchange goes on when ctx is canceled, and remembers what
// became of a code for a few minutes: the same replica answers a repeat, by a client
// that has lost the answer, without WeChat. If it is not known whether WeChat has used
// the code, a repeat finds out. Exchange blocks for 15 s at most. Besides the errors above
// it returns ration.ErrBusy and those of WeChat and Members.
func (s *Service) Exchange(ctx context.Context, memberID, code string) (number string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	q := ration.Question{Text: memberID + " " + code, Pay: func() error { return s.pay(memberID) }}
	number, err = s.numbers.Ask(ctx, q, func(ctx context.Context) (string, time.Duration, error) {
		number, err := s.number(ctx, memberID, code)
		if err != nil && !errors.Is(err, ErrCode) {
			return "", 0, err
		}
		return number, codeLifetime, err
	})
	if err != nil {
		return "", err
	}
	return number, s.Members.SetPhone(ctx, memberID, number)
}

func (s *Service) pay(memberID string) error {
	if s.LimitCalls && !s.exchanges.Allow(memberID, perMinute) {
		return ErrTooMany
	}
	return nil
}

// number returns the number behind a code.
func (s *Service) number(ctx context.Context, memberID, code string) (string, error) {
	openID, err := s.Members.OpenID(ctx, memberID, s.AppID)
	if err != nil {
		return "", err
	}
	got, err := s.WeChat.PhoneNumber(ctx, code, openID)
	if err != nil {
		return "", fmt.Errorf("exchange a phone code: %w", err)
	}
	if got.AppID != s.AppID {
		return "", fmt.Errorf("%w: %.32q", ErrOtherApp, got.AppID)
	}
	if number := phone.Join(got.CountryCode, got.Number); number != "" {
		return number, nil
	}
	return "", ErrNoNumber
}
