package member_test

import (
	"context"
	"testing"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/world"
)

// lockingStore gives the lock on people as PostgreSQL does: exclusively only to a
// transaction that asks for that. It records what is done under which lock.
type lockingStore struct {
	member.Store
	done map[string]map[string]bool // what was done, under which locks
}

func (s *lockingStore) Write(ctx context.Context, fn func(context.Context, member.Tx) error) error {
	return s.Store.Write(ctx, func(ctx context.Context, tx member.Tx) error {
		return fn(ctx, &lockingTx{Tx: tx, store: s, lock: "none"})
	})
}

type lockingTx struct {
	member.Tx
	store *lockingStore
	lock  string
}

func (tx *lockingTx) did(what string) {
	if tx.store.done[what] == nil {
		tx.store.done[what] = map[string]bool{}
	}
	tx.store.done[what][tx.lock] = true
}

func (tx *lockingTx) LockPeople(ctx context.Context, exclusive bool) (bool, error) {
	_, err := tx.Tx.LockPeople(ctx, exclusive)
	if tx.lock = "shared"; exclusive {
		tx.lock = "exclusive"
	}
	return exclusive, err
}

func (tx *lockingTx) AddIdentity(ctx context.Context, id member.Identity) (bool, error) {
	tx.did("an identity is added")
	return tx.Tx.AddIdentity(ctx, id)
}

func (tx *lockingTx) MoveIdentity(ctx context.Context, appID, openID, into string) error {
	tx.did("an identity moves")
	return tx.Tx.MoveIdentity(ctx, appID, openID, into)
}

func (tx *lockingTx) DistrustUnionID(ctx context.Context, unionID string) error {
	tx.did("a unionid is distrusted")
	return tx.Tx.DistrustUnionID(ctx, unionID)
}

func (tx *lockingTx) DeleteConflicts(ctx context.Context) error {
	tx.did("conflicts are resolved")
	return tx.Tx.DeleteConflicts(ctx)
}

func (tx *lockingTx) Erase(ctx context.Context, memberID, anonymousID string) error {
	tx.did("a member is erased")
	return tx.Tx.Erase(ctx, memberID, anonymousID)
}

// What changes which member an identity belongs to waits for all others, and the usual
// login does not.
func TestLockPeople_IsExclusiveForWhatMovesIdentities(t *testing.T) {
	world.Run(t, func(w *world.World) {
		store := &lockingStore{Store: w.Stores.Members, done: map[string]map[string]bool{}}
		w.Members = member.New(store, member.Apps{MiniProgram: world.Mini, Official: world.Official}, w.Catalogue, w.Wake)
		ming := world.Enroll(w, w.Members, world.Mini, "ming", "")
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: "s1", OpenID: "O1", At: world.At(1)})
		w.ReceiveEvent(member.Event{Name: world.Taken, CardID: "push", Code: "s2", OpenID: "O1", UnionID: "u1", At: world.At(2)})
		world.Enroll(w, w.Members, world.Mini, "ming", "u1") // joins the two
		world.Enroll(w, w.Members, world.Mini, "hong", "u2")
		world.Enroll(w, w.Members, world.Mini, "lei", "u2") // shared; nothing moves
		sqldbtest.Exec(w.T, w.DB, "update identity set unionid = 'u3' where openid in ('hong', 'lei')")
		sqldbtest.Exec(w.T, w.DB, `insert into identity_conflict (app_id, openid, member_id, other_member_id, created_at)
			values ($1, 'hong', 'm1', 'm2', 1)`, world.Mini)
		if err := w.ResolveConflicts(w.Context()); err != nil {
			w.Fatal(err)
		}
		if err := w.Erase(w.Context(), ming); err != nil {
			w.Fatal(err)
		}
		for what, want := range map[string]string{
			"an identity moves": "exclusive", "a unionid is distrusted": "exclusive", "conflicts are resolved": "exclusive",
			"a member is erased": "exclusive",
		} {
			if locks := store.done[what]; len(locks) != 1 || !locks[want] {
				w.Errorf("%s under these locks: %v, want %s", what, locks, want)
			}
		}
		if locks := store.done["an identity is added"]; !locks["shared"] || locks["none"] {
			w.Errorf("identities are added under these locks: %v", locks)
		}
	})
}
