package sqlstore

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/addcard/addcard/internal/member"
)

const personSQL = `select created_at from member where member_id = $1 and erased_at = 0`

// Person implements member.Store.
func (s *Store) Person(ctx context.Context, memberID string) (member.Person, error) {
	p := member.Person{ID: memberID}
	var created int64
	if err := one("look a member up", s.q.QueryRow(ctx, personSQL, memberID).Scan(&created)); err != nil {
		return p, err
	}
	p.CreatedAt = when(created)
	var err error
	if p.Identities, err = s.Identities(ctx, memberID); err != nil {
		return p, err
	}
	p.Cards, err = s.cardsOf(ctx, memberID)
	return p, err
}

const allCardsSQL = `select ` + cardColumns + ` from member_card where member_id = $1 order by created_at, card_id, code`

func (s *Store) cardsOf(ctx context.Context, memberID string) ([]member.Card, error) {
	rs, err := s.q.Query(ctx, allCardsSQL, memberID)
	return all("list cards", rs, err, scanCard)
}

const peopleSQL = `select member_id, created_at from member
	where erased_at = 0 and (created_at, member_id) < ($1, $2) order by created_at desc, member_id desc limit $3`

// A page's identities and cards are read by its ends, so that a long page needs
// three queries and not two for each member.
const (
	pageSQL = ` x join member m on m.member_id = x.member_id
	where m.erased_at = 0 and (m.created_at, m.member_id) >= ($1, $2) and (m.created_at, m.member_id) <= ($3, $4)`
	peopleIdentitiesSQL = `select x.app_id, x.openid, x.unionid, x.member_id from identity` + pageSQL + ` order by x.app_id, x.openid`
	peopleCardsSQL      = `select x.card_id, x.code, x.member_id, x.status, x.bonus, x.balance, x.seq, x.membership_number,
	x.custom_field1, x.custom_field2, x.custom_field3, x.outer_str, x.issued_at, x.claimed_at, x.activated_at,
	x.held_at, x.deleted_at, x.outer_at, x.submitted, x.wallet, x.given_from, x.version
	from member_card` + pageSQL + ` order by x.created_at, x.card_id, x.code`
)

// People implements member.Store.
func (s *Store) People(ctx context.Context, after member.Mark, n int) ([]member.Person, error) {
	from := millis(after.CreatedAt)
	if after == (member.Mark{}) {
		from = math.MaxInt64
	}
	rs, err := s.q.Query(ctx, peopleSQL, from, after.ID, n)
	people, err := all("list members", rs, err, func(scan func(...any) error) (p member.Person, err error) {
		var created int64
		err = scan(&p.ID, &created)
		p.CreatedAt = when(created)
		return p, err
	})
	if err != nil || len(people) == 0 {
		return people, err
	}
	last, first := people[len(people)-1], people[0]
	ends := []any{millis(last.CreatedAt), last.ID, millis(first.CreatedAt), first.ID}
	at := make(map[string]int, len(people))
	for i, p := range people {
		at[p.ID] = i
	}
	rs, err = s.q.Query(ctx, peopleIdentitiesSQL, ends...)
	ids, err := all("list identities", rs, err, scanIdentity)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if i, ok := at[id.MemberID]; ok { // not of one who came in between
			people[i].Identities = append(people[i].Identities, id)
		}
	}
	rs, err = s.q.Query(ctx, peopleCardsSQL, ends...)
	cards, err := all("list cards", rs, err, scanCard)
	if err != nil {
		return nil, err
	}
	for _, c := range cards {
		if i, ok := at[c.MemberID]; ok {
			people[i].Cards = append(people[i].Cards, c)
		}
	}
	return people, nil
}

// Each part has an index of its own.
const findSQL = `select f.member_id from (
	select member_id from member where member_id = $1
	union select member_id from identity where openid = $1
	union select member_id from identity where unionid = $1 and unionid <> ''
	union select member_id from member_card where code = $1
	union select member_id from member_card where membership_number = $1 and membership_number <> ''
	union select c.member_id from form o join member_card c on c.card_id = o.card_id and c.code = o.code
		where o.phone in ($2, $3) and o.phone <> ''
	) f join member m on m.member_id = f.member_id where m.erased_at = 0
	order by m.created_at desc, f.member_id limit $4`

// Find implements member.Store. Two hashes of a phone number, by the key in use
// and the one before it, cost one query; older keys one more for each two.
func (s *Store) Find(ctx context.Context, key string, phones []string, n int) (ids []string, err error) {
	for first := true; (first || len(phones) > 0) && len(ids) < n; first = false {
		var two [2]string
		phones = phones[copy(two[:], phones):]
		rs, err := s.q.Query(ctx, findSQL, key, two[0], two[1], n)
		some, err := all("find members", rs, err, func(scan func(...any) error) (id string, err error) {
			err = scan(&id)
			return id, err
		})
		if err != nil {
			return nil, err
		}
		for _, id := range some {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids[:min(n, len(ids))], nil
}

const erasedSQL = `select count(*) from member_card c join member m on m.member_id = c.member_id
	where c.card_id = $1 and c.code = $2 and m.erased_at > 0`

func (r rows) Erased(ctx context.Context, cardID, code string) (bool, error) {
	var n int
	if err := r.q.QueryRow(ctx, erasedSQL, cardID, code).Scan(&n); err != nil {
		return false, fmt.Errorf("look a card up: %w", err)
	}
	return n > 0, nil
}

// What is deleted of a person, $1, in an order in which each step still finds
// what it needs. An event keeps its dedupe key, so that a late delivery is
// still a repeat.
var eraseSQL = []string{
	`delete from outbox where outbox_id in (select o.outbox_id from event v
		join outbox o on o.card_id = v.card_id and o.code = v.code and o.kind = 'apply_event' and o.payload = v.dedupe_key
		where v.openid in (select openid from identity where member_id = $1))`,
	`delete from outbox where (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	`update event set openid = '', fields = '{}' where openid in (select openid from identity where member_id = $1)`,
	`update event set openid = '', fields = '{}' where (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	// The hash of a ticket stays, so that it serves nobody else.
	`update form set sealed = '', phone = '' where (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	`delete from identity_conflict where member_id = $1 or other_member_id = $1
		or openid in (select openid from identity where member_id = $1)`,
	`delete from identity where member_id = $1`,
}

const (
	addHeirSQL  = `insert into member (member_id, created_at, erased_at) values ($1, now_ms(), now_ms())`
	bequeathSQL = `update member_card set member_id = $2, status = case status when 'gifted' then 'gifted' else 'unavailable' end,
	custom_field1 = '', custom_field2 = '', custom_field3 = '', wallet = '', version = version + 1 where member_id = $1`
)

func (r rows) Erase(ctx context.Context, memberID, heir string) error {
	const what = "erase a member"
	for _, step := range eraseSQL {
		if err := r.exec(ctx, what, step, memberID); err != nil {
			return err
		}
	}
	if err := r.exec(ctx, what, addHeirSQL, heir); err != nil {
		return err
	}
	if err := r.exec(ctx, what, bequeathSQL, memberID, heir); err != nil {
		return err
	}
	return r.DeleteMember(ctx, memberID)
}
