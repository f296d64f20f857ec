package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
)

const personSQL = `select created_at from member where member_id = $1 and erased_at = 0`

// Person implements member.Store.
func (s *Store) Person(ctx context.Context, memberID string) (p member.Person, err error) {
	p.ID = memberID
	err = sqldb.One("read a member", s.QueryRow(ctx, personSQL, memberID).Scan((*sqldb.Time)(&p.CreatedAt)), member.ErrNotFound)
	if err != nil {
		return p, err
	}
	if p.Identities, err = s.Identities(ctx, memberID); err != nil {
		return p, err
	}
	if p.SealedPhone, err = s.SealedPhone(ctx, memberID); err != nil {
		return p, err
	}
	p.Cards, err = sqldb.All(ctx, s, "list cards", ScanCard, allCardsSQL, memberID)
	return p, err
}

var allCardsSQL = selectCardSQL + `where member_id = $1 order by created_at, card_id, code`

const peopleSQL = `select member_id, created_at from member
	where erased_at = 0 and (created_at, member_id) < ($1, $2) order by created_at desc, member_id desc limit $3`

func scanPerson(scan sqldb.Scan) (p member.Person, err error) {
	err = scan(&p.ID, (*sqldb.Time)(&p.CreatedAt))
	return p, err
}

// The identities, phones and cards of a page are read by the ends of the page: a page
// needs four queries, however long it is.
const pageSQL = ` x join member m on m.member_id = x.member_id
	where m.erased_at = 0 and (m.created_at, m.member_id) >= ($1, $2) and (m.created_at, m.member_id) <= ($3, $4)`

var (
	pageIdentitiesSQL = `select ` + IdentityColumns.List("x.") + ` from identity` + pageSQL + ` order by x.app_id, x.openid`
	pagePhonesSQL     = `select x.member_id, x.sealed from member_phone` + pageSQL
	pageCardsSQL      = `select ` + CardColumns.List("x.") + ` from member_card` + pageSQL + ` order by x.created_at, x.card_id, x.code`
)

// People implements member.Store.
func (s *Store) People(ctx context.Context, after member.Mark, n int) ([]member.Person, error) {
	var from any = sqldb.Time(after.CreatedAt)
	if after == (member.Mark{}) {
		from = int64(math.MaxInt64)
	}
	people, err := sqldb.All(ctx, s, "list members", scanPerson, peopleSQL, from, after.ID, n)
	if err != nil || len(people) == 0 {
		return people, err
	}
	last, first := people[len(people)-1], people[0]
	ends := []any{sqldb.Time(last.CreatedAt), last.ID, sqldb.Time(first.CreatedAt), first.ID}
	ids, err := sqldb.All(ctx, s, "list identities", ScanIdentity, pageIdentitiesSQL, ends...)
	if err != nil {
		return nil, err
	}
	phones, err := sqldb.All(ctx, s, "list phones", scanPhone, pagePhonesSQL, ends...)
	if err != nil {
		return nil, err
	}
	cards, err := sqldb.All(ctx, s, "list cards", ScanCard, pageCardsSQL, ends...)
	if err != nil {
		return nil, err
	}
	assign(people, ids, phones, cards)
	return people, nil
}

// assign gives each person the identities, the phone and the cards that are theirs. A member who
// was added since the page was read is not among people.
func assign(people []member.Person, ids []member.Identity, phones []ownedPhone, cards []member.Card) {
	at := make(map[string]*member.Person, len(people))
	for i := range people {
		at[people[i].ID] = &people[i]
	}
	for _, id := range ids {
		if p := at[id.MemberID]; p != nil {
			p.Identities = append(p.Identities, id)
		}
	}
	for _, one := range phones {
		if p := at[one.memberID]; p != nil {
			p.SealedPhone = one.sealed
		}
	}
	for _, c := range cards {
		if p := at[c.MemberID]; p != nil {
			p.Cards = append(p.Cards, c)
		}
	}
}

// Each part has an index of its own.
const findSQL = `select f.member_id from (
	select member_id from member where member_id = $1
	union select member_id from identity where openid = $1
	union select member_id from identity where unionid = $1 and unionid <> ''
	union select i.member_id from ignored_unionid u join identity i on i.app_id = u.app_id and i.openid = u.openid where u.unionid = $1
	union select member_id from member_card where code = $1
	union select member_id from member_card where membership_number = $1 and membership_number <> ''
	union select member_id from imported where membership_number = $1 and membership_number <> ''
	union select member_id from imported where phone in ($2, $3, $4, $5) and phone <> ''
	union select c.member_id from form o join member_card c on c.card_id = o.card_id and c.code = o.code
		where o.phone in ($2, $3, $4, $5) and o.phone <> ''
	union select member_id from member_phone where phone_hash in ($2, $3, $4, $5) and phone_hash <> ''
	) f join member m on m.member_id = f.member_id where m.erased_at = 0
	order by m.created_at desc, f.member_id limit $6`

// Find implements member.Store. Four hashes of a phone number, two by the present
// key and two by the one before, cost one query; older keys cost more.
func (s *Store) Find(ctx context.Context, key string, phones []string, n int) (ids []string, err error) {
	for first := true; (first || len(phones) > 0) && len(ids) < n; first = false {
		var four [4]string
		phones = phones[copy(four[:], phones):]
		some, err := sqldb.All(ctx, s, "find members", sqldb.Text, findSQL, key, four[0], four[1], four[2], four[3], n)
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

// Erased implements member.Reader.
func (tx Tx) Erased(ctx context.Context, cardID, code string) (bool, error) {
	return tx.Any(ctx, "look for an erased member", erasedSQL, cardID, code)
}

const erasedSinceSQL = `select count(*) from erased_openid where hash = $1 and erased_at >= $2`

// ErasedSince implements member.Reader.
func (tx Tx) ErasedSince(ctx context.Context, id member.Identity, at time.Time) (bool, error) {
	return tx.Any(ctx, "look for an erased openid", erasedSinceSQL, hashOf(id), at.UnixMilli())
}

// hashOf returns what is kept of an erased identity. There are too many openids to try.
func hashOf(id member.Identity) string {
	sum := sha256.Sum256([]byte("erased " + id.AppID + " " + id.OpenID))
	return hex.EncodeToString(sum[:])
}

const (
	// Late events are recognised for a week. WeChat repeats one for 15 s; what passes
	// it on may have been down for longer.
	forgetErasedSQL = `delete from erased_openid where erased_at < now_ms() - 604800000`
	addErasedSQL    = `insert into erased_openid (hash, erased_at) values ($1, now_ms())
	on conflict (hash) do update set erased_at = excluded.erased_at`
)

// rememberErased keeps the hashes of the member's openids.
func (tx Tx) rememberErased(ctx context.Context, memberID string) error {
	const what = "remember an erasure"
	ids, err := tx.Identities(ctx, memberID)
	if err == nil {
		err = tx.Run(ctx, what, forgetErasedSQL)
	}
	for _, id := range ids {
		if err == nil {
			err = tx.Run(ctx, what, addErasedSQL, hashOf(id))
		}
	}
	return err
}

// A session lasts two hours, and one may be issued while its member is erased.
const endSessionsTime = 3 * time.Hour

const (
	nextLogoutSQL  = `update revocation set last_seq = last_seq + 1`
	endSessionsSQL = `insert into revoked_session (seq, jti, expires_at)
	select last_seq, $1, now_ms() + $2 from revocation where true on conflict do nothing`
)

// EndSessions implements member.PeopleTx. Package auth reads the row, as it does a
// logout.
func (tx Tx) EndSessions(ctx context.Context, memberID string) error {
	const what = "end the sessions of a member"
	if err := tx.Run(ctx, what, nextLogoutSQL); err != nil {
		return err
	}
	return tx.Run(ctx, what, endSessionsSQL, memberID, endSessionsTime.Milliseconds())
}

// eraseSQL deletes what is known of a member, $1, in an order in which each
// statement still finds what it needs. An event keeps its dedupe key, so that a late
// delivery is still a repeat, and a form keeps the hash of its ticket, so that the
// ticket is not used again. In the events of another person, only the openid is
// deleted; older versions stored it without the column friend_openid, and then the gift
// leads to it. TestErase_TreatsEveryColumnAsDecided checks every column.
var eraseSQL = []string{
	`update member_card set version = version + 1 where member_id = $1`, // waits for what is being stored about the cards
	`delete from outbox where outbox_id in (select o.outbox_id from event v
		join outbox o on o.card_id = v.card_id and o.code = v.code and o.kind = 'apply_event' and o.payload = v.dedupe_key
		where v.openid in (select openid from identity where member_id = $1))`,
	`delete from outbox where (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	`delete from webhook_delivery where member_id = $1 and member_id <> ''`,
	`delete from webhook_delivery where code <> '' and (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	`delete from webhook_queue where webhook_id in (select webhook_id from webhook) and queue = $1`,
	`update event set openid = '', friend_openid = '', fields = '{}' where openid in (select openid from identity where member_id = $1)`,
	`update event set openid = '', friend_openid = '', fields = '{}'
		where (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	`update event set fields = replace(fields, friend_openid, ''), friend_openid = ''
		where friend_openid <> '' and friend_openid in (select openid from identity where member_id = $1)`,
	`update event set fields = replace(fields, (select g.wallet from member_card s
			join member_card g on g.card_id = s.card_id and g.code = s.given_from where s.card_id = event.card_id and s.code = event.code), '')
		where (card_id, code) in (select s.card_id, s.code from member_card g
			join member_card s on s.card_id = g.card_id and s.given_from = g.code and s.given_from <> ''
			where g.member_id = $1 and g.wallet <> '')`,
	`update form set sealed = '', phone = '' where (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	`delete from trail where member_id = $1 and member_id <> ''`,
	`delete from trail where code <> '' and member_id = ''
		and (card_id, code) in (select card_id, code from member_card where member_id = $1)`,
	`delete from identity_conflict where member_id = $1 or other_member_id = $1
		or openid in (select openid from identity where member_id = $1)`,
	`delete from ignored_unionid where (app_id, openid) in (select app_id, openid from identity where member_id = $1)`,
	`delete from code_proof where openid in (select openid from identity where member_id = $1)`,
	`delete from identity where member_id = $1`,
	clearImportedSQL + ` where member_id = $1 and member_id <> ''`,
}

// clearImportedSQL deletes what leads from an imported account to its person.
const clearImportedSQL = `update imported set code = '', phone = '', unionid = '', openid = '', membership_number = '',
	custom_field1 = '', custom_field2 = '', custom_field3 = '', sealed = ''`

const (
	addAnonymousSQL = `insert into member (member_id, created_at, erased_at) values ($1, now_ms(), now_ms())`
	// The codes that only events have named get a row, so that later events about
	// them are known to be about an erased member.
	addCodesSQL = `insert into member_card (card_id, code, ledger, member_id, status, created_at)
	select distinct v.card_id, v.code, v.code, $2, 'unavailable', now_ms() from event v
	where v.code <> '' and v.openid in (select openid from identity where member_id = $1)
	and not exists (select 1 from member_card c where c.card_id = v.card_id and c.code = v.code)
	on conflict do nothing`
	anonymizeSQL = `update member_card set member_id = $2, status = case status when 'gifted' then 'gifted' else 'unavailable' end,
	membership_number = '', custom_field1 = '', custom_field2 = '', custom_field3 = '', wallet = '',
	version = version + 1 where member_id = $1`
	anonymizeImportedSQL = `update imported set member_id = $2 where member_id = $1 and member_id <> ''`
)

// Erase implements member.PeopleTx.
func (tx Tx) Erase(ctx context.Context, memberID, anonymousID string) error {
	const what = "erase a member"
	if err := tx.Run(ctx, what, addAnonymousSQL, anonymousID); err != nil {
		return err
	}
	if err := tx.Run(ctx, what, addCodesSQL, memberID, anonymousID); err != nil {
		return err
	}
	if err := tx.rememberErased(ctx, memberID); err != nil {
		return err
	}
	for _, statement := range eraseSQL {
		if err := tx.Run(ctx, what, statement, memberID); err != nil {
			return err
		}
	}
	if err := tx.Run(ctx, what, anonymizeSQL, memberID, anonymousID); err != nil {
		return err
	}
	if err := tx.Run(ctx, what, anonymizeImportedSQL, memberID, anonymousID); err != nil {
		return err
	}
	return tx.DeleteMember(ctx, memberID)
}

// Scrub implements member.Store.
func (s *Store) Scrub(ctx context.Context) error { return s.DB.Scrub(ctx) }
