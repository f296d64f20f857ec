package webhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/audit"
)

// Keys seal and open the secrets of endpoints; see package datakey.
type Keys interface {
	Seal(plain []byte, about string) string
	Open(sealed, about string) ([]byte, error)
	// Newest reports whether Seal would use the key that sealed the text.
	Newest(sealed string) bool
}

// Options are the settings of a Service.
type Options struct {
	// Keys seal the secrets. Without them, none can be made.
	Keys Keys
	// Allow are the networks that are not public and that endpoints may be in. A URL
	// with http is accepted for a loopback address that is in one of them.
	Allow []netip.Prefix
	// Now returns the time for signatures; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
	// Observe is called with the outcome of each attempt: delivered, failed, dead, lost
	// (another replica sends it) or released (the end of Run cut it off). It may be nil.
	Observe func(outcome string)
}

// Service has the endpoints of one deployment. It is safe for concurrent use.
type Service struct {
	store Store
	Options
	client *http.Client
}

// New returns a Service on store.
func New(store Store, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string) {}
	}
	return &Service{store, o, newClient(o.Allow)}
}

// rotation is for how long a secret signs after another has replaced it.
const rotation = 24 * time.Hour

// Change is a change of an endpoint; nil leaves a field as it is.
type Change struct {
	URL, Description *string
	Events           *[]string
	Enabled          *bool
	RotateSecret     bool
}

// Add adds an endpoint and returns it with its secret, which is shown only here. It
// returns an *InvalidError, ErrNoKeys or ErrTooMany.
func (s *Service) Add(ctx context.Context, e Endpoint) (_ Endpoint, secret string, err error) {
	e.ID = uuid.NewString()
	if err := s.check(&e); err != nil {
		return e, "", err
	}
	if secret, err = s.newSecret(&e); err != nil {
		return e, "", err
	}
	if err := s.store.Add(ctx, &e); err != nil {
		return e, "", fmt.Errorf("add an endpoint: %w", err)
	}
	audit.Note(ctx, "id", nil, e.ID)
	note(ctx, Endpoint{}, e)
	return e, secret, nil
}

// Change changes an endpoint, ends its pause, and returns it. With RotateSecret it also
// returns a new secret, which is shown only here; the one before also signs for 24 hours.
// It returns an *InvalidError, ErrNoKeys or ErrNotFound.
func (s *Service) Change(ctx context.Context, id string, c Change) (_ Endpoint, secret string, err error) {
	var before Endpoint
	keep := time.Duration(0)
	if c.RotateSecret {
		keep = rotation
	}
	after, err := s.store.Change(ctx, id, keep, func(e *Endpoint) (err error) {
		before = *e
		e.URL, e.Description = *cmp.Or(c.URL, &e.URL), *cmp.Or(c.Description, &e.Description)
		e.Events, e.Enabled = *cmp.Or(c.Events, &e.Events), *cmp.Or(c.Enabled, &e.Enabled)
		if c.RotateSecret {
			if secret, err = s.newSecret(e); err != nil {
				return err
			}
		}
		return s.check(e)
	})
	if err != nil {
		return after, "", fmt.Errorf("change an endpoint: %w", err)
	}
	note(ctx, before, after)
	if c.RotateSecret {
		audit.Note(ctx, "secret", nil, "rotated")
	}
	return after, secret, nil
}

// note adds to the audit log what has changed.
func note(ctx context.Context, before, after Endpoint) {
	for _, f := range []struct{ name, before, after string }{
		{"url", masked(before.URL), masked(after.URL)}, {"description", before.Description, after.Description},
		{"events", strings.Join(before.Events, " "), strings.Join(after.Events, " ")},
		{"enabled", fmt.Sprint(before.Enabled), fmt.Sprint(after.Enabled)},
	} {
		if f.before != f.after {
			audit.Note(ctx, f.name, f.before, f.after)
		}
	}
}

// Remove removes an endpoint; its deliveries are deleted in the background.
func (s *Service) Remove(ctx context.Context, id string) error {
	e, err := s.store.Endpoint(ctx, id)
	if err == nil {
		err = s.store.Remove(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("remove an endpoint: %w", err)
	}
	audit.Note(ctx, "url", masked(e.URL), nil)
	return nil
}

// Endpoints lists the endpoints with what waits for them, the oldest first.
func (s *Service) Endpoints(ctx context.Context) ([]Status, error) { return s.store.Endpoints(ctx) }

// Endpoint returns an endpoint with what waits for it, or ErrNotFound.
func (s *Service) Endpoint(ctx context.Context, id string) (Status, error) {
	all, err := s.store.Endpoints(ctx)
	for _, e := range all {
		if e.ID == id {
			return e, nil
		}
	}
	return Status{}, cmp.Or(err, ErrNotFound)
}

// Deliveries lists up to n deliveries of an endpoint after the mark, the newest first.
// It returns ErrNotFound for an unknown endpoint.
func (s *Service) Deliveries(ctx context.Context, id string, f Filter, after Mark, n int) ([]Delivery, error) {
	if _, err := s.store.Endpoint(ctx, id); err != nil {
		return nil, err
	}
	return s.store.Deliveries(ctx, id, f, after, n)
}

// Resend sends a delivery again, with the same id, at once. It returns ErrNotFound for an
// unknown one: those that were delivered are kept for 30 days.
func (s *Service) Resend(ctx context.Context, id, eventID string) error {
	if err := s.store.Resend(ctx, id, eventID); err != nil {
		return fmt.Errorf("resend a delivery: %w", err)
	}
	return nil
}

// MaxResent bounds what one call of ResendSpan sends again.
const MaxResent = 10_000

// ResendSpan sends all deliveries of a span again that were delivered or are parked, and
// returns their number. Of more than MaxResent it sends the oldest, and returns from when
// to go on.
func (s *Service) ResendSpan(ctx context.Context, id string, span Span) (count int64, next time.Time, err error) {
	const page = 1000
	if _, err := s.store.Endpoint(ctx, id); err != nil {
		return 0, next, err
	}
	if err := checkTypes(span.Types); err != nil {
		return 0, next, err
	}
	for after := (Mark{HappenedAt: span.From}); ; {
		marks, err := s.store.ResendSpan(ctx, id, span, after, page)
		if err != nil {
			return count, next, fmt.Errorf("resend deliveries: %w", err)
		}
		count += int64(len(marks))
		if len(marks) < page {
			return count, time.Time{}, nil
		}
		if after = marks[len(marks)-1]; count >= MaxResent {
			return count, after.HappenedAt, nil
		}
	}
}

func aboutSecret(id string) string { return "webhook secret " + id }

// newSecret gives an endpoint a new secret.
func (s *Service) newSecret(e *Endpoint) (secret string, err error) {
	if s.Keys == nil {
		return "", ErrNoKeys
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	e.Secret = s.Keys.Seal(raw, aboutSecret(e.ID))
	return "whsec_" + base64.StdEncoding.EncodeToString(raw), nil
}

// inUse returns the encrypted secrets that sign now, the present one first.
func (s *Service) inUse(e Endpoint) []string {
	if e.PreviousSecret != "" && s.Now().Before(e.PreviousUntil) {
		return []string{e.Secret, e.PreviousSecret}
	}
	return []string{e.Secret}
}

// secrets returns the secrets that sign now, the present one first.
func (s *Service) secrets(e Endpoint) (raw [][]byte, err error) {
	for _, one := range s.inUse(e) {
		if s.Keys == nil {
			return nil, ErrNoKeys
		}
		plain, err := s.Keys.Open(one, aboutSecret(e.ID))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoKeys, err)
		}
		raw = append(raw, plain)
	}
	return raw, nil
}

// Reseal encrypts the secrets of all endpoints with the newest key, which ends their
// pauses. It returns how many endpoints it has changed, and the secrets that no key opens,
// which stay as they are. With look, it changes nothing.
func (s *Service) Reseal(ctx context.Context, look bool) (changed int, unopened []string, err error) {
	endpoints, err := s.store.Endpoints(ctx)
	for _, e := range endpoints {
		if err != nil {
			break
		}
		old, missing := s.oldSecrets(e.Endpoint)
		unopened = append(unopened, missing...)
		if old && !look {
			_, err = s.store.Change(ctx, e.ID, 0, s.reseal)
			changed++
		}
	}
	return changed, unopened, err
}

// oldSecrets reports whether an endpoint has a secret that an older key opens, and
// returns those that none opens.
func (s *Service) oldSecrets(e Endpoint) (old bool, unopened []string) {
	for _, secret := range s.inUse(e) {
		if _, opened := s.resealed(secret, e.ID); !opened {
			unopened = append(unopened, secret)
		} else if !s.Keys.Newest(secret) {
			old = true
		}
	}
	return old, unopened
}

func (s *Service) reseal(e *Endpoint) error {
	e.Secret, _ = s.resealed(e.Secret, e.ID)
	e.PreviousSecret, _ = s.resealed(e.PreviousSecret, e.ID)
	return nil
}

// resealed returns a secret under the newest key, or as it is if no key opens it.
func (s *Service) resealed(secret, id string) (sealed string, opened bool) {
	if s.Keys == nil {
		return secret, false
	}
	plain, err := s.Keys.Open(secret, aboutSecret(id))
	if err != nil {
		return secret, false
	}
	if s.Keys.Newest(secret) {
		return secret, true
	}
	return s.Keys.Seal(plain, aboutSecret(id)), true
}

// check returns an *InvalidError if a field of an endpoint is wrong, and sorts the events.
func (s *Service) check(e *Endpoint) error {
	if problem := s.checkURL(e.URL); problem != "" {
		return &InvalidError{"url", problem}
	}
	if len(e.Description) > MaxDescription || !utf8.ValidString(e.Description) || strings.ContainsFunc(e.Description, unicode.IsControl) {
		return &InvalidError{"description", fmt.Sprintf("must be one line of at most %d bytes", MaxDescription)}
	}
	if len(e.Events) == 0 {
		return &InvalidError{"events", "must name a type of events, or have *"}
	}
	if slices.Contains(e.Events, All) {
		e.Events = []string{All}
		return nil
	}
	e.Events = slices.Compact(slices.Sorted(slices.Values(e.Events)))
	return checkTypes(e.Events)
}

func checkTypes(types []string) error {
	for _, t := range types {
		if !slices.Contains(Types, t) {
			return &InvalidError{"events", "must be of " + strings.Join(Types, ", ")}
		}
	}
	return nil
}

// checkURL returns what is wrong with the URL of an endpoint, or "".
func (s *Service) checkURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case len(text) > MaxURL:
		return fmt.Sprintf("longer than %d bytes", MaxURL)
	case err != nil || u.Hostname() == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "must be https://HOST/PATH in ASCII"
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !isPort(u.Port()):
		return "must have a port from 1 to 65535, or none"
	case u.User != nil:
		return "must have no user and no password"
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "must have no fragment"
	}
	addr, err := netip.ParseAddr(u.Hostname())
	literal := err == nil
	if u.Hostname() == "localhost" {
		addr, literal = netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	switch {
	case literal && !s.allows(addr):
		return refused
	case u.Scheme != "https" && (u.Scheme != "http" || !literal || !addr.Unmap().IsLoopback()):
		return "must begin with https://"
	}
	return ""
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// masked returns a URL without what may be a secret in its query.
func masked(text string) string {
	if before, _, cut := strings.Cut(text, "?"); cut {
		return before + "?…"
	}
	return text
}
