// Package staff knows the people of a shop: who they are, what they may do, and
// which secrets prove it.
//
// There is one owner, who needs no entry: the ADMIN_TOKEN proves it. The owner adds
// managers and cashiers. A person gets a link, which is good once and for half an
// hour, and the session that it begins; a program gets a token. Secrets have 256
// random bits and are stored as hashes, so each is seen once, in the answer to the
// request that made it. What is revoked proves nothing from then on: at once on the
// replica that revokes it; on all others within a second, and the time that the
// database needs to answer.
package staff

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrUnknown is returned for a secret that proves nothing: it never did, it was
	// revoked or used up, or it has expired.
	ErrUnknown = errors.New("staff: the secret proves nothing")
	// ErrNotFound is returned for a person or a key that does not exist.
	ErrNotFound = errors.New("staff: not found")
	// ErrNameTaken is returned for a second person of the same name.
	ErrNameTaken = errors.New("staff: the name is taken")
	// ErrTooMany is returned for a person beyond MaxPeople, or a token beyond MaxKeys.
	ErrTooMany = errors.New("staff: too many")
)

// Role is what a person may do.
type Role string

// The roles. Nobody can be added as an owner.
const (
	Owner   Role = "owner"
	Manager Role = "manager"
	Cashier Role = "cashier"
)

const (
	// OwnerID is the ID, and the name, of the owner.
	OwnerID = "owner"
	// MaxName is the longest name, and the longest label of a token, in bytes.
	MaxName = 64
	// MaxPeople bounds the people of a shop.
	MaxPeople = 200
	// MaxKeys bounds the tokens of one person, and the sessions: the oldest ends when
	// there would be more.
	MaxKeys = 10
)

const (
	// LinkLife is how long a link can be used.
	LinkLife = 30 * time.Minute
	// SessionIdle is how long a session lives without being used, and SessionLife how
	// long in any case.
	SessionIdle = 12 * time.Hour
	SessionLife = 30 * 24 * time.Hour
)

// Kind is the kind of a key.
type Kind string

// The kinds of keys.
const (
	Link    Kind = "link"
	Session Kind = "session"
	Token   Kind = "token"
)

// Person is the owner, or a person whom the owner has added, with their keys, oldest
// first.
type Person struct {
	ID, Name  string
	Role      Role
	CreatedAt time.Time
	Keys      []Key
}

// Key is what is known of a secret. ExpiresAt is zero for a token, and UsedAt for a
// key that was not used; it is up to a minute late.
type Key struct {
	ID        string
	Kind      Kind
	Label     string
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

// Identity is the person whom a secret proves.
type Identity struct {
	PersonID, Name string
	Role           Role
}

// StoredKey is a key with the hash of its secret and the person whom it proves.
type StoredKey struct {
	Key
	Identity
	Hash string
}

// Store keeps the people and the hashes of their secrets. It is safe for concurrent
// use. All times are those of the database's clock.
type Store interface {
	// Add adds a person, or returns ErrNameTaken, or ErrTooMany if there are MaxPeople.
	Add(ctx context.Context, p Person) error
	// People lists all people by name, with their keys.
	People(ctx context.Context) ([]Person, error)
	// Remove deletes a person with all keys. It returns the person, or ErrNotFound.
	Remove(ctx context.Context, id string) (Person, error)
	// AddKey adds a key, which expires after life unless that is 0, and returns it with
	// its times. A link ends the person's earlier ones, and a session beyond MaxKeys the
	// oldest. It returns ErrNotFound without the person, and ErrTooMany for a token
	// beyond MaxKeys.
	AddKey(ctx context.Context, personID string, k Key, hash string, life time.Duration) (Key, error)
	// RemoveKey deletes a key, or returns ErrNotFound.
	RemoveKey(ctx context.Context, personID, keyID string) error
	// Exchange replaces the link with that hash by a session, and returns whose it is.
	// It returns ErrUnknown for a link that is not there or has expired. Of concurrent
	// calls only one gets the session.
	Exchange(ctx context.Context, linkHash string, session Key, hash string, life time.Duration) (Identity, error)
	// Keys lists all keys that have not expired, and returns the time.
	Keys(ctx context.Context) (list []StoredKey, now time.Time, err error)
	// Use records when keys were last used. A session then lives for idle from that
	// moment on, but no longer than for life in all.
	Use(ctx context.Context, usedAt map[string]time.Time, idle, life time.Duration) error
	// Purge deletes the keys that have expired.
	Purge(ctx context.Context) error
}
