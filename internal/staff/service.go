package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/audit"
)

// Service knows the people of a shop. It is safe for concurrent use.
type Service struct {
	store Store
	log   *slog.Logger
	known copies
}

// New returns a Service on store.
func New(store Store, log *slog.Logger) *Service {
	return &Service{store: store, log: log, known: copies{store: store, used: map[string]time.Time{}}}
}

// Add adds a manager or a cashier. The name has at most MaxName bytes; the caller has
// checked that it is one line of text. Add returns ErrNameTaken, also for the owner's
// name, or ErrTooMany.
func (s *Service) Add(ctx context.Context, name string, role Role) (Person, error) {
	p := Person{ID: uuid.NewString(), Name: name, Role: role}
	if strings.EqualFold(name, OwnerID) || strings.Contains(name, ":") { // such as cli:root
		return Person{}, fmt.Errorf("add %s: %w", role, ErrNameTaken)
	}
	if err := s.store.Add(ctx, p); err != nil {
		return Person{}, fmt.Errorf("add a %s: %w", role, err)
	}
	audit.Note(ctx, "id", nil, p.ID)
	notePerson(ctx, nil, &p)
	return p, nil
}

// People lists the owner, and then all others by name, with their keys.
func (s *Service) People(ctx context.Context) ([]Person, error) { return s.store.People(ctx) }

// Remove deletes a person; none of the keys proves anything from then on. It returns
// the person, or ErrNotFound. The owner cannot be removed.
func (s *Service) Remove(ctx context.Context, id string) (Person, error) {
	p, err := s.store.Remove(ctx, id)
	s.known.forget()
	if err == nil {
		notePerson(ctx, &p, nil)
	}
	return p, err
}

// notePerson adds to the audit log who was there before and who is there after.
func notePerson(ctx context.Context, before, after *Person) {
	var name, role [2]any
	for i, p := range []*Person{before, after} {
		if p != nil {
			name[i], role[i] = p.Name, p.Role
		}
	}
	audit.Note(ctx, "name", name[0], name[1])
	audit.Note(ctx, "role", role[0], role[1])
}

// NewLink returns the secret of a link, with which the person can begin a session
// once within LinkLife. The person's earlier links end. It returns ErrNotFound if
// there is no such person.
func (s *Service) NewLink(ctx context.Context, personID string) (secret string, k Key, err error) {
	return s.newKey(ctx, personID, Key{Kind: Link}, LinkLife)
}

// NewToken returns the secret of a token for a program of the person; it is good
// until it is revoked. It returns ErrNotFound if there is no such person, and
// ErrTooMany. The owner's token is the ADMIN_TOKEN.
func (s *Service) NewToken(ctx context.Context, personID, label string) (secret string, k Key, err error) {
	if personID == OwnerID {
		return "", Key{}, ErrNotFound
	}
	return s.newKey(ctx, personID, Key{Kind: Token, Label: label}, 0)
}

func (s *Service) newKey(ctx context.Context, personID string, k Key, life time.Duration) (string, Key, error) {
	secret := newSecret()
	k.ID = uuid.NewString()
	k, err := s.store.AddKey(ctx, personID, k, hashOf(secret), life)
	if err != nil {
		return "", Key{}, fmt.Errorf("make a %s: %w", k.Kind, err)
	}
	audit.Note(ctx, string(k.Kind), nil, k.ID)
	s.known.forget()
	return secret, k, nil
}

// Revoke ends a key, or returns ErrNotFound.
func (s *Service) Revoke(ctx context.Context, personID, keyID string) error {
	audit.Note(ctx, "key", keyID, nil)
	err := s.store.RemoveKey(ctx, personID, keyID)
	s.known.forget()
	return err
}

// SignIn uses up a link and returns the secret of the session that begins. It returns
// ErrUnknown for a link that is not good.
func (s *Service) SignIn(ctx context.Context, link string) (secret string, who Identity, err error) {
	if !isSecret(link) {
		return "", Identity{}, ErrUnknown
	}
	if _, err := s.known.find(ctx, Link, link); err != nil { // what is guessed writes nothing
		return "", Identity{}, err
	}
	secret = newSecret()
	who, err = s.store.Exchange(ctx, hashOf(link), Key{ID: uuid.NewString(), Kind: Session}, hashOf(secret), SessionIdle)
	if err != nil {
		return "", Identity{}, fmt.Errorf("sign in: %w", err)
	}
	s.known.forget()
	return secret, who, nil
}

// SignOut ends the session with that secret.
func (s *Service) SignOut(ctx context.Context, secret string) error {
	k, err := s.known.find(ctx, Session, secret)
	if err != nil {
		return err
	}
	return s.Revoke(ctx, k.PersonID, k.ID)
}

// Identify returns whom the secret of a token or a session proves, or ErrUnknown. It
// answers from memory; the keys are read again when they were read more than a second
// ago, or for a secret that is unknown, at most five times a second.
func (s *Service) Identify(ctx context.Context, kind Kind, secret string) (Identity, error) {
	k, err := s.known.find(ctx, kind, secret)
	return k.Identity, err
}

// Run records when keys were last used and deletes those that have expired, until ctx
// ends.
func (s *Service) Run(ctx context.Context) {
	const every = 20 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		s.recordUses(ctx)
		if n%180 == 0 { // each hour
			if err := s.store.Purge(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "delete expired sign-in keys: failed; it is repeated", "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) recordUses(ctx context.Context) {
	uses := s.known.takeUses()
	if len(uses) == 0 {
		return
	}
	if err := s.store.Use(ctx, uses, SessionIdle, SessionLife); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "record the last use of sign-in keys: failed", "error", err)
	}
}

// prefix makes a secret recognisable to those that search for leaked ones.
const prefix = "addcard_"

// newSecret returns 256 random bits.
func newSecret() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(random[:])
}

func isSecret(text string) bool {
	random, ok := strings.CutPrefix(text, prefix)
	return ok && len(random) == base64.RawURLEncoding.EncodedLen(32)
}

// hashOf needs no salt and no time: nobody can try 2^256 secrets.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
