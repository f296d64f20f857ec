package opencard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// Field is one answer on the form.
type Field struct {
	Name   string   `json:"name"`
	Value  string   `json:"value,omitempty"`
	Values []string `json:"values,omitempty"`
}

// text returns the answer as one string; the choices of a check box are joined.
func (f Field) text() string {
	if len(f.Values) > 0 {
		return strings.Join(f.Values, ", ")
	}
	return f.Value
}

// phoneField is the field in which WeChat returns the phone number.
const phoneField = "USER_FORM_INFO_FLAG_MOBILE"

// form fetches and seals what the member filled in. When the ticket was used for
// this code before, it does not ask WeChat again: the ticket may have expired.
func (s *Service) form(ctx context.Context, cardID, code, ticket string) (member.Form, error) {
	sum := sha256.Sum256([]byte(ticket))
	form := member.Form{TicketHash: hex.EncodeToString(sum[:])}
	used, err := s.Members.Submitted(ctx, form.TicketHash, cardID, code)
	if errors.Is(err, member.ErrTicketUsed) {
		err = fmt.Errorf("%w: %w", ErrTicket, err)
	}
	if used || err != nil {
		return form, err
	}
	fields, err := s.fetchForm(ctx, ticket)
	if err != nil || s.Sealer == nil || len(fields) == 0 {
		return form, err
	}
	plain, err := json.Marshal(fields)
	if err != nil {
		return form, fmt.Errorf("encode a form: %w", err)
	}
	form.Sealed = s.Sealer.Seal(plain, sealContext(cardID, code))
	for _, f := range fields {
		if f.Name == phoneField {
			form.Phone = s.Sealer.Index(f.Value)
		}
	}
	return form, nil
}

// sealContext is what the sealed form of a card is bound to.
func sealContext(cardID, code string) string { return "form " + cardID + " " + code }

// fetchForm asks WeChat up to three times: WeChat reports some valid tickets as
// expired (72012), and is busy at times (−1).
func (s *Service) fetchForm(ctx context.Context, ticket string) ([]Field, error) {
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

// FormStore returns the sealed forms of a card, oldest first; see package member.
type FormStore interface {
	Forms(ctx context.Context, cardID, code string) ([]string, error)
}

// Opener decrypts what a Sealer sealed; see package datakey. Open returns an
// error when no key opens the text.
type Opener interface {
	Open(sealed, about string) ([]byte, error)
}

// Forms reads what members filled in. It is safe for concurrent use.
type Forms struct {
	Store  FormStore
	Opener Opener
}

// Of returns the answers on the latest form of a card, by field. It returns none
// when no key opens the form.
func (f *Forms) Of(ctx context.Context, cardID, code string) (map[string]string, error) {
	sealed, err := f.Store.Forms(ctx, cardID, code)
	if err != nil || len(sealed) == 0 {
		return nil, err
	}
	plain, err := f.Opener.Open(sealed[len(sealed)-1], sealContext(cardID, code))
	if err != nil {
		return nil, nil
	}
	var fields []Field
	if err := json.Unmarshal(plain, &fields); err != nil {
		return nil, fmt.Errorf("decode a form: %w", err)
	}
	answers := map[string]string{}
	for _, field := range fields {
		answers[field.Name] = field.text()
	}
	return answers, nil
}
