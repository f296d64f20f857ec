// Package sqlstore implements staff.Store on SQL, with the same text for SQLite and
// PostgreSQL.
package sqlstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/staff"
)

// Store keeps the people in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store in db, which must have been migrated.
func New(db *sqldb.DB) *Store { return &Store{db} }

// lock is the lock of the fleet for what counts people or keys.
const lock = 7_203_001

// write runs fn in one transaction, alone.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, q sqldb.Queries) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		if _, err := s.db.Hold(ctx, tx, lock, true); err != nil {
			return err
		}
		return fn(ctx, sqldb.Queries{Querier: tx, DB: s.db})
	})
}

func personFields(p *staff.Person) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("staff_id", &p.ID), sqldb.Col("name", &p.Name), sqldb.Col("role", &p.Role),
		sqldb.Col("created_at", (*sqldb.Time)(&p.CreatedAt)),
	}
}

func keyFields(k *staff.Key) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("key_id", &k.ID), sqldb.Col("kind", &k.Kind), sqldb.Col("label", &k.Label),
		sqldb.Col("created_at", (*sqldb.Time)(&k.CreatedAt)), sqldb.Col("expires_at", (*sqldb.Time)(&k.ExpiresAt)),
		sqldb.Col("used_at", (*sqldb.Time)(&k.UsedAt)),
	}
}

const (
	fullSQL = `select case when count(*) >= $1 then 1 else 0 end from staff`
	addSQL  = `insert into staff (staff_id, name, role, created_at) values ($1, $2, $3, now_ms()) on conflict do nothing`
)

// Add implements staff.Store.
func (s *Store) Add(ctx context.Context, p staff.Person) error {
	return s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		full, err := q.Any(ctx, "count the people", fullSQL, staff.MaxPeople)
		if err != nil {
			return err
		}
		if full {
			return staff.ErrTooMany
		}
		added, err := q.Change(ctx, "add a person", addSQL, p.ID, p.Name, string(p.Role))
		if err == nil && !added {
			err = staff.ErrNameTaken
		}
		return err
	})
}

var (
	peopleSQL = `select ` + personFields(&staff.Person{}).Columns().List("") + ` from staff order by name`
	keysSQL   = `select ` + keyFields(&staff.Key{}).Columns().List("") + `, staff_id from staff_key
		where expires_at = 0 or expires_at > now_ms() order by created_at, key_id`
)

// People implements staff.Store.
func (s *Store) People(ctx context.Context) ([]staff.Person, error) {
	people, err := sqldb.All(ctx, s.db.Read(), "list the people", func(scan sqldb.Scan) (p staff.Person, err error) {
		err = scan(personFields(&p).Pointers()...)
		return p, err
	}, peopleSQL)
	if err != nil {
		return nil, err
	}
	people = append([]staff.Person{{ID: staff.OwnerID, Name: staff.OwnerID, Role: staff.Owner}}, people...)
	index := map[string]*staff.Person{}
	for i := range people {
		index[people[i].ID] = &people[i]
	}
	_, err = sqldb.All(ctx, s.db.Read(), "list the keys", func(scan sqldb.Scan) (k staff.Key, err error) {
		var id string
		if err = scan(append(keyFields(&k).Pointers(), &id)...); err == nil && index[id] != nil {
			index[id].Keys = append(index[id].Keys, k)
		}
		return k, err
	}, keysSQL)
	return people, err
}

var (
	removeSQL     = `delete from staff where staff_id = $1 returning ` + personFields(&staff.Person{}).Columns().List("")
	removeKeysSQL = `delete from staff_key where staff_id = $1`
)

// Remove implements staff.Store.
func (s *Store) Remove(ctx context.Context, id string) (p staff.Person, err error) {
	err = s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		err := q.QueryRow(ctx, removeSQL, id).Scan(personFields(&p).Pointers()...)
		if err := sqldb.One("remove a person", err, staff.ErrNotFound); err != nil {
			return err
		}
		return q.Run(ctx, "remove the keys of a person", removeKeysSQL, id)
	})
	return p, err
}

const (
	existsSQL   = `select count(*) from staff where staff_id = $1`
	manySQL     = `select case when count(*) >= $2 then 1 else 0 end from staff_key where staff_id = $1 and kind = 'token'`
	endLinksSQL = `delete from staff_key where staff_id = $1 and kind = 'link'`
	endOldSQL   = `delete from staff_key where key_id in (select key_id from staff_key where staff_id = $1 and kind = 'session'
		order by created_at desc, key_id desc limit 1000 offset $2)`
	addKeySQL = `insert into staff_key (key_id, staff_id, kind, hash, label, created_at, expires_at)
		values ($1, $2, $3, $4, $5, now_ms(), case when cast($6 as bigint) = 0 then 0 else now_ms() + $6 end)
		returning created_at, expires_at`
)

// AddKey implements staff.Store.
func (s *Store) AddKey(ctx context.Context, personID string, k staff.Key, hash string, life time.Duration) (staff.Key, error) {
	err := s.write(ctx, func(ctx context.Context, q sqldb.Queries) (err error) {
		k, err = addKey(ctx, q, personID, k, hash, life)
		return err
	})
	return k, err
}

func addKey(ctx context.Context, q sqldb.Queries, personID string, k staff.Key, hash string, life time.Duration) (staff.Key, error) {
	exists, err := q.Any(ctx, "look for a person", existsSQL, personID)
	if err != nil {
		return k, err
	}
	if !exists && personID != staff.OwnerID {
		return k, staff.ErrNotFound
	}
	if err := makeRoom(ctx, q, personID, k.Kind); err != nil {
		return k, err
	}
	err = q.QueryRow(ctx, addKeySQL, k.ID, personID, string(k.Kind), hash, k.Label, life.Milliseconds()).
		Scan((*sqldb.Time)(&k.CreatedAt), (*sqldb.Time)(&k.ExpiresAt))
	return k, sqldb.One("add a key", err, staff.ErrNotFound)
}

// makeRoom ends what a new key of that kind replaces.
func makeRoom(ctx context.Context, q sqldb.Queries, personID string, kind staff.Kind) error {
	switch kind {
	case staff.Link:
		return q.Run(ctx, "end earlier links", endLinksSQL, personID)
	case staff.Session:
		return q.Run(ctx, "end the oldest sessions", endOldSQL, personID, staff.MaxKeys-1)
	}
	full, err := q.Any(ctx, "count tokens", manySQL, personID, staff.MaxKeys)
	if err == nil && full {
		err = staff.ErrTooMany
	}
	return err
}

const removeKeySQL = `delete from staff_key where staff_id = $1 and key_id = $2`

// RemoveKey implements staff.Store.
func (s *Store) RemoveKey(ctx context.Context, personID, keyID string) error {
	removed, err := s.db.Change(ctx, "remove a key", removeKeySQL, personID, keyID)
	if err == nil && !removed {
		err = staff.ErrNotFound
	}
	return err
}

const (
	useLinkSQL = `delete from staff_key where hash = $1 and kind = 'link' and expires_at > now_ms() returning staff_id`
	whoSQL     = `select name, role from staff where staff_id = $1`
)

// Exchange implements staff.Store.
func (s *Store) Exchange(
	ctx context.Context, linkHash string, session staff.Key, hash string, life time.Duration,
) (who staff.Identity, err error) {
	err = s.write(ctx, func(ctx context.Context, q sqldb.Queries) error {
		err := q.QueryRow(ctx, useLinkSQL, linkHash).Scan(&who.PersonID)
		if err := sqldb.One("use a link", err, staff.ErrUnknown); err != nil {
			return err
		}
		who.Name, who.Role = staff.OwnerID, staff.Owner
		if who.PersonID != staff.OwnerID {
			err := q.QueryRow(ctx, whoSQL, who.PersonID).Scan(&who.Name, &who.Role)
			if err := sqldb.One("read whose link it is", err, staff.ErrUnknown); err != nil {
				return err
			}
		}
		_, err = addKey(ctx, q, who.PersonID, session, hash, life)
		return err
	})
	return who, err
}

var allKeysSQL = `select ` + keyFields(&staff.Key{}).Columns().List("k.") + `, k.hash, k.staff_id, coalesce(s.name, k.staff_id),
	coalesce(s.role, 'owner') from staff_key k left join staff s on s.staff_id = k.staff_id
	where (s.staff_id is not null or k.staff_id = 'owner') and (k.expires_at = 0 or k.expires_at > now_ms())`

// Keys implements staff.Store. The time is read first, so a key expires no later than
// by the database's clock.
func (s *Store) Keys(ctx context.Context) (list []staff.StoredKey, now time.Time, err error) {
	if now, err = s.db.Now(ctx); err != nil {
		return nil, now, err
	}
	list, err = sqldb.All(ctx, s.db.Read(), "read the keys", func(scan sqldb.Scan) (k staff.StoredKey, err error) {
		err = scan(append(keyFields(&k.Key).Pointers(), &k.Hash, &k.PersonID, &k.Name, &k.Role)...)
		return k, err
	}, allKeysSQL)
	return list, now, err
}

const useSQL = `update staff_key set used_at = case when used_at < $2 then $2 else used_at end,
	expires_at = case when kind <> 'session' or expires_at >= $2 + $3 then expires_at
		when created_at + $4 < $2 + $3 then created_at + $4 else $2 + $3 end
	where key_id = $1`

// Use implements staff.Store.
func (s *Store) Use(ctx context.Context, usedAt map[string]time.Time, idle, life time.Duration) error {
	return s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		q := sqldb.Queries{Querier: tx, DB: s.db}
		for _, id := range slices.Sorted(maps.Keys(usedAt)) { // two replicas lock the rows in the same order
			at := usedAt[id].UnixMilli()
			if err := q.Run(ctx, "record a use", useSQL, id, at, idle.Milliseconds(), life.Milliseconds()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Purge implements staff.Store.
func (s *Store) Purge(ctx context.Context) error {
	_, err := s.db.Change(ctx, "delete expired keys", `delete from staff_key where expires_at > 0 and expires_at < now_ms()`)
	return err
}
