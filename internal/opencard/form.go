package opencard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// form fetches what the member filled in. When the ticket was used for this code
// before, it does not ask WeChat again: the ticket may have expired.
func (s *Service) form(ctx context.Context, memberID, cardID, code, ticket string) (form member.Form, err error) {
	sum := sha256.Sum256([]byte(ticket))
	form.TicketHash = hex.EncodeToString(sum[:])
	used, err := s.Members.Submitted(ctx, form.TicketHash, cardID, code)
	if errors.Is(err, member.ErrTicketUsed) {
		err = fmt.Errorf("%w: %w", ErrTicket, err)
	}
	if used || err != nil {
		return form, err
	}
	form.Answers, err = s.forms.Ask(ctx, s.question(memberID, ticket), func(ctx context.Context) ([]member.Answer, time.Duration, error) {
		answers, err := s.fetchForm(ctx, ticket)
		if errors.Is(err, ErrTicket) && !errors.Is(err, ErrTicketExpired) {
			return nil, wrongTicketFor, err
		}
		return answers, 0, err
	})
	return form, err
}

// wrongTicketFor is how long a ticket that WeChat does not have is refused without
// asking again.
const wrongTicketFor = time.Minute

// fetchForm asks WeChat up to three times: WeChat reports some valid tickets as
// expired (72012), and is busy at times (−1).
func (s *Service) fetchForm(ctx context.Context, ticket string) ([]member.Answer, error) {
	wait := 300 * time.Millisecond
	for try := 1; ; try++ {
		fields, err := s.WeChat.Form(ctx, ticket)
		if err == nil || try == 3 || !mayPass(err) {
			return fields, err
		}
		select {
		case <-time.After(wait):
			wait *= 2
		case <-ctx.Done():
			return nil, fmt.Errorf("fetch the form: %w", ctx.Err())
		}
	}
}

// mayPass reports whether the same call may succeed a moment later.
func mayPass(err error) bool {
	var answer interface {
		Errcode() int // only WeChat's errors have it; those of networks have a Temporary, too
		Temporary() bool
	}
	return errors.Is(err, ErrTicketExpired) || errors.As(err, &answer) && answer.Temporary()
}
