package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// decisions lists every column of the schema, and what happens to its value
//
//   - when the person is erased;
//   - when the person is joined with another member;
//   - when the person gives the card away: in the rows of the giver, and in
//     those of the recipient;
//   - in the CSV of all members: the name of its field, or - if it is not there.
//
// A value is kept, cleared (empty or 0), changed, deleted with its row, or moved: it
// becomes that of the anonymous member, of the other member, of the recipient, of
// the giver. A row that belongs to no person is kept.
const decisions = `
	column                            erased   joined   giver    recipient exported

	backup_sum.table_name             kept     kept     kept     kept      -
	backup_sum.row_count              kept     kept     kept     kept      -
	backup_sum.bonus                  kept     kept     kept     kept      -
	backup_sum.balance                kept     kept     kept     kept      -
	backup_sum.digest                 kept     kept     kept     kept      -
	member.member_id                  deleted  deleted  kept     kept      member_id
	member.created_at                 deleted  deleted  kept     kept      created_at
	member.erased_at                  deleted  deleted  kept     kept      -

	identity.app_id                   deleted  kept     kept     kept      -
	identity.openid                   deleted  kept     kept     kept      openids
	identity.unionid                  deleted  kept     kept     kept      unionids
	identity.member_id                deleted  moved    kept     kept      -
	identity.created_at               deleted  kept     kept     kept      -
	identity.check_at                 deleted  kept     kept     kept      -
	identity.check_wait               deleted  kept     kept     kept      -

	member_phone.member_id            deleted  deleted  kept     kept      -
	member_phone.phone_hash           deleted  deleted  kept     kept      -
	member_phone.sealed               deleted  deleted  kept     kept      phone
	member_phone.verified_at          deleted  deleted  kept     kept      -

	member_card.card_id               kept     kept     kept     kept      card_id
	member_card.code                  kept     kept     kept     kept      code
	member_card.member_id             moved    moved    kept     kept      -
	member_card.status                changed  kept     changed  kept      status
	member_card.bonus                 kept     kept     moved    moved     bonus
	member_card.balance               kept     kept     moved    moved     balance_fen
	member_card.seq                   kept     kept     moved    moved     -
	member_card.membership_number     cleared  kept     kept     kept      membership_number
	member_card.custom_field1         cleared  kept     kept     moved     custom_field1
	member_card.custom_field2         cleared  kept     kept     moved     custom_field2
	member_card.custom_field3         cleared  kept     kept     moved     custom_field3
	member_card.outer_str             kept     kept     kept     kept      outer_str
	member_card.created_at            kept     kept     kept     kept      -
	member_card.issued_at             kept     kept     kept     kept      issued_at
	member_card.claimed_at            kept     kept     kept     kept      claimed_at
	member_card.activated_at          kept     kept     kept     kept      activated_at
	member_card.held_at               kept     kept     kept     changed   -
	member_card.deleted_at            kept     kept     kept     kept      -
	member_card.outer_at              kept     kept     kept     kept      -
	member_card.submitted             kept     kept     kept     kept      -
	member_card.wallet                cleared  kept     kept     kept      -
	member_card.given_from            kept     kept     kept     changed   -
	member_card.version               changed  changed  changed  changed   -
	member_card.ledger                kept     kept     moved    moved     -
	member_card.told                  kept     kept     moved    moved     -
	member_card.due                   kept     kept     kept     cleared   -
	member_card.check_at              kept     kept     kept     kept      -
	member_card.check_wait            kept     kept     kept     kept      -
	member_card.modified              kept     kept     kept     kept      -
	member_card.face_known            kept     kept     kept     moved     -
	member_card.face_bonus            kept     kept     kept     kept      -
	member_card.face_balance          kept     kept     kept     kept      -
	member_card.face_at               kept     kept     kept     kept      -

	import.import_id                  kept     kept     kept     kept      -
	import.name                       kept     kept     kept     kept      -
	import.card_id                    kept     kept     kept     kept      -
	import.actor                      kept     kept     kept     kept      -
	import.dry_run                    kept     kept     kept     kept      -
	import.options                    kept     kept     kept     kept      -
	import.state                      kept     kept     kept     kept      -
	import.problem                    kept     kept     kept     kept      -
	import.total                      kept     kept     kept     kept      -
	import.lines                      kept     kept     kept     kept      -
	import.waiting                    kept     kept     kept     kept      -
	import.joined                     kept     kept     kept     kept      -
	import.unchanged                  kept     kept     kept     kept      -
	import.refused                    kept     kept     kept     kept      -
	import.created_at                 kept     kept     kept     kept      -
	import.ended_at                   kept     kept     kept     kept      -
	import.lease_owner                kept     kept     kept     kept      -
	import.lease_until                kept     kept     kept     kept      -

	import_file.import_id             kept     kept     kept     kept      -
	import_file.content               kept     kept     kept     kept      -

	import_line.import_id             kept     kept     kept     kept      -
	import_line.line_key              kept     kept     kept     kept      -
	import_line.line                  kept     kept     kept     kept      -
	import_line.digest                kept     kept     kept     kept      -
	import_line.outcome               kept     kept     kept     kept      -
	import_line.heading               kept     kept     kept     kept      -
	import_line.reason                kept     kept     kept     kept      -
	import_line.account_id            kept     kept     kept     kept      -

	imported.account_id               kept     kept     kept     kept      -
	imported.import_id                kept     kept     kept     kept      -
	imported.card_id                  kept     kept     kept     kept      -
	imported.code                     cleared  kept     kept     kept      -
	imported.phone                    cleared  kept     kept     kept      -
	imported.unionid                  cleared  kept     kept     kept      -
	imported.openid                   cleared  kept     kept     kept      -
	imported.membership_number        cleared  kept     kept     kept      -
	imported.custom_field1            cleared  kept     kept     kept      -
	imported.custom_field2            cleared  kept     kept     kept      -
	imported.custom_field3            cleared  kept     kept     kept      -
	imported.bonus                    kept     kept     kept     kept      -
	imported.balance                  kept     kept     kept     kept      -
	imported.sealed                   cleared  kept     kept     kept      -
	imported.member_id                moved    moved    kept     kept      -
	imported.joined_code              kept     kept     kept     kept      -
	imported.created_at               kept     kept     kept     kept      -
	imported.bound_at                 kept     kept     kept     kept      -
	imported.joined_at                kept     kept     kept     kept      -

	form.ticket_hash                  kept     kept     kept     kept      -
	form.card_id                      kept     kept     kept     kept      -
	form.code                         kept     kept     kept     kept      -
	form.phone                        cleared  kept     kept     kept      -
	form.sealed                       cleared  kept     kept     kept      -
	form.created_at                   kept     kept     kept     kept      -
	form.indexed                      kept     kept     kept     kept      -

	event.dedupe_key                  kept     kept     kept     kept      -
	event.event                       kept     kept     kept     kept      -
	event.card_id                     kept     kept     kept     kept      -
	event.code                        kept     kept     kept     kept      -
	event.openid                      cleared  kept     kept     kept      -
	event.happened_at                 kept     kept     kept     kept      -
	event.received_at                 kept     kept     kept     kept      -
	event.fields                      cleared  kept     kept     kept      -
	event.friend_openid               cleared  kept     kept     kept      -

	outbox.outbox_id                  deleted  kept     kept     kept      -
	outbox.card_id                    deleted  kept     kept     kept      -
	outbox.code                       deleted  kept     kept     kept      -
	outbox.seq                        deleted  kept     kept     kept      -
	outbox.kind                       deleted  kept     kept     kept      -
	outbox.payload                    deleted  kept     kept     kept      -
	outbox.state                      deleted  kept     kept     kept      -
	outbox.attempts                   deleted  kept     kept     kept      -
	outbox.started                    deleted  kept     kept     kept      -
	outbox.due_at                     deleted  kept     kept     kept      -
	outbox.lease_owner                deleted  kept     kept     kept      -
	outbox.lease_until                deleted  kept     kept     kept      -
	outbox.last_error                 deleted  kept     kept     kept      -
	outbox.created_at                 deleted  kept     kept     kept      -

	outbox_retry.retry_id             kept     kept     kept     kept      -
	outbox_retry.actor                kept     kept     kept     kept      -
	outbox_retry.filter               kept     kept     kept     kept      -
	outbox_retry.state                kept     kept     kept     kept      -
	outbox_retry.total                kept     kept     kept     kept      -
	outbox_retry.done                 kept     kept     kept     kept      -
	outbox_retry.failed               kept     kept     kept     kept      -
	outbox_retry.after_at             kept     kept     kept     kept      -
	outbox_retry.after_id             kept     kept     kept     kept      -
	outbox_retry.created_at           kept     kept     kept     kept      -
	outbox_retry.ended_at             kept     kept     kept     kept      -

	recovery.name                     kept     kept     kept     kept      -
	recovery.copied_at                kept     kept     kept     kept      -
	recovery.began_at                 kept     kept     kept     kept      -
	recovery.phase                    kept     kept     kept     kept      -
	recovery.after_first              kept     kept     kept     kept      -
	recovery.after_second             kept     kept     kept     kept      -
	recovery.found                    kept     kept     kept     kept      -
	recovery.ended_at                 kept     kept     kept     kept      -
	recovery_card.card_id             kept     kept     kept     kept      -
	recovery_card.code                kept     kept     kept     kept      -
	recovery_card.state               kept     kept     kept     kept      -
	recovery_card.bonus               kept     kept     kept     kept      -
	recovery_card.balance             kept     kept     kept     kept      -
	recovery_card.face_bonus          kept     kept     kept     kept      -
	recovery_card.face_balance        kept     kept     kept     kept      -
	recovery_card.looked_at           kept     kept     kept     kept      -
	schema_reader.oldest              kept     kept     kept     kept      -
	trail.trail_id                    deleted  kept     kept     kept      -
	trail.member_id                   deleted  moved    kept     kept      -
	trail.card_id                     deleted  kept     kept     kept      -
	trail.code                        deleted  kept     kept     kept      -
	trail.kind                        deleted  kept     kept     kept      -
	trail.at                          deleted  kept     kept     kept      -
	trail.detail                      deleted  kept     kept     kept      -

	identity_conflict.app_id          deleted  kept     kept     kept      -
	identity_conflict.openid          deleted  kept     kept     kept      -
	identity_conflict.member_id       deleted  kept     kept     kept      -
	identity_conflict.other_member_id deleted  kept     kept     kept      -
	identity_conflict.created_at      deleted  kept     kept     kept      -

	ignored_unionid.app_id            deleted  kept     kept     kept      -
	ignored_unionid.openid            deleted  kept     kept     kept      -
	ignored_unionid.unionid           deleted  kept     kept     kept      -
	ignored_unionid.ignored_at        deleted  kept     kept     kept      -

	shared_unionid.unionid            kept     kept     kept     kept      -
	shared_unionid.found_at           kept     kept     kept     kept      -

	erased_openid.hash                kept     kept     kept     kept      -
	erased_openid.erased_at           kept     kept     kept     kept      -

	code_proof.member_id              deleted  deleted  kept     kept      -
	code_proof.openid                 deleted  deleted  kept     kept      -
	code_proof.created_at             deleted  deleted  kept     kept      -

	entry.entry_id                    kept     kept     kept     kept      -
	entry.card_id                     kept     kept     kept     kept      -
	entry.ledger                      kept     kept     kept     kept      -
	entry.seq                         kept     kept     kept     kept      -
	entry.add_bonus                   kept     kept     kept     kept      -
	entry.bonus                       kept     kept     kept     kept      -
	entry.add_balance                 kept     kept     kept     kept      -
	entry.balance                     kept     kept     kept     kept      -
	entry.record_bonus                kept     kept     kept     kept      -
	entry.record_balance              kept     kept     kept     kept      -
	entry.notify_bonus                kept     kept     kept     kept      -
	entry.notify_balance              kept     kept     kept     kept      -
	entry.reverses                    kept     kept     kept     kept      -
	entry.route                       kept     kept     kept     kept      -
	entry.idempotency_key             kept     kept     kept     kept      -
	entry.payload                     kept     kept     kept     kept      -
	entry.answer                      kept     kept     kept     kept      -
	entry.request_id                  kept     kept     kept     kept      -
	entry.created_at                  kept     kept     kept     kept      -
	entry.actor                       kept     kept     kept     kept      -
	entry.store                       kept     kept     kept     kept      -
	entry.order_id                    kept     kept     kept     kept      -

	revoked_session.seq               kept     kept     kept     kept      -
	revoked_session.jti               kept     kept     kept     kept      -
	revoked_session.expires_at        kept     kept     kept     kept      -

	revocation.last_seq               kept     kept     kept     kept      -
	revocation.not_before             kept     kept     kept     kept      -

	card.card_id                      kept     kept     kept     kept      -
	card.doc                          kept     kept     kept     kept      -
	card.settings                     kept     kept     kept     kept      -
	card.read_at                      kept     kept     kept     kept      -

	card_attempt.definition           kept     kept     kept     kept      -
	card_attempt.had                  kept     kept     kept     kept      -
	card_attempt.begun_at             kept     kept     kept     kept      -

	card_lock.name                    kept     kept     kept     kept      -
	card_lock.holder                  kept     kept     kept     kept      -
	card_lock.ends_at                 kept     kept     kept     kept      -

	card_created.card_id              kept     kept     kept     kept      -
	card_created.definition           kept     kept     kept     kept      -
	card_created.created_at           kept     kept     kept     kept      -

	card_review.card_id               kept     kept     kept     kept      -
	card_review.reason                kept     kept     kept     kept      -
	card_review.reviewed_at           kept     kept     kept     kept      -

	picture.url                       kept     kept     kept     kept      -
	picture.content                   kept     kept     kept     kept      -

	ticket.name                       kept     kept     kept     kept      -
	ticket.value                      kept     kept     kept     kept      -
	ticket.value_fence                kept     kept     kept     kept      -
	ticket.life                       kept     kept     kept     kept      -
	ticket.ends_at                    kept     kept     kept     kept      -
	ticket.saved_at                   kept     kept     kept     kept      -
	ticket.rejected                   kept     kept     kept     kept      -
	ticket.owner                      kept     kept     kept     kept      -
	ticket.fence                      kept     kept     kept     kept      -
	ticket.failures                   kept     kept     kept     kept      -
	ticket.granted_at                 kept     kept     kept     kept      -
	ticket.lease_ends_at              kept     kept     kept     kept      -

	ticket_backoff.name               kept     kept     kept     kept      -
	ticket_backoff.secret             kept     kept     kept     kept      -
	ticket_backoff.ends_at            kept     kept     kept     kept      -
	ticket_backoff.failures           kept     kept     kept     kept      -

	write_probe.filler                kept     kept     kept     kept      -

	allowance.name                    kept     kept     kept     kept      -
	allowance.slot                    kept     kept     kept     kept      -
	allowance.used                    kept     kept     kept     kept      -

	schedule.name                     kept     kept     kept     kept      -
	schedule.taken_at                 kept     kept     kept     kept      -

	staff.staff_id                    kept     kept     kept     kept      -
	staff.name                        kept     kept     kept     kept      -
	staff.role                        kept     kept     kept     kept      -
	staff.created_at                  kept     kept     kept     kept      -

	staff_key.key_id                  kept     kept     kept     kept      -
	staff_key.staff_id                kept     kept     kept     kept      -
	staff_key.kind                    kept     kept     kept     kept      -
	staff_key.hash                    kept     kept     kept     kept      -
	staff_key.label                   kept     kept     kept     kept      -
	staff_key.created_at              kept     kept     kept     kept      -
	staff_key.expires_at              kept     kept     kept     kept      -
	staff_key.used_at                 kept     kept     kept     kept      -

	shop.name                         kept     kept     kept     kept      -
	shop.settings                     kept     kept     kept     kept      -

	audit.audit_id                    kept     kept     kept     kept      -
	audit.at                          kept     kept     kept     kept      -
	audit.actor                       kept     kept     kept     kept      -
	audit.role                        kept     kept     kept     kept      -
	audit.source                      kept     kept     kept     kept      -
	audit.address                     kept     kept     kept     kept      -
	audit.action                      kept     kept     kept     kept      -
	audit.card_id                     kept     kept     kept     kept      -
	audit.code                        kept     kept     kept     kept      -
	audit.subject                     kept     kept     kept     kept      -
	audit.request_id                  kept     kept     kept     kept      -

	audit_outcome.audit_id            kept     kept     kept     kept      -
	audit_outcome.ended_at            kept     kept     kept     kept      -
	audit_outcome.result              kept     kept     kept     kept      -
	audit_outcome.problem             kept     kept     kept     kept      -
	audit_outcome.changes             kept     kept     kept     kept      -

	statistic.card_id                 kept     kept     kept     kept      -
	statistic.day                     kept     kept     kept     kept      -
	statistic.channel                 kept     kept     kept     kept      -
	statistic.issued                  kept     kept     kept     kept      -
	statistic.claimed                 kept     kept     kept     kept      -
	statistic.activated               kept     kept     kept     kept      -
	statistic.deleted                 kept     kept     kept     kept      -
	statistic.bonus_given             kept     kept     kept     kept      -
	statistic.bonus_spent             kept     kept     kept     kept      -
	statistic.balance_given           kept     kept     kept     kept      -
	statistic.balance_spent           kept     kept     kept     kept      -
	statistic.entries                 kept     kept     kept     kept      -

	statistic_progress.name           kept     kept     kept     kept      -
	statistic_progress.zone           kept     kept     kept     kept      -
	statistic_progress.cleared        kept     kept     kept     kept      -
	statistic_progress.card_id        kept     kept     kept     kept      -
	statistic_progress.code           kept     kept     kept     kept      -
	statistic_progress.cards_done     kept     kept     kept     kept      -
	statistic_progress.entry_id       kept     kept     kept     kept      -
	statistic_progress.entries_done   kept     kept     kept     kept      -
	statistic_progress.until          kept     kept     kept     kept      -
	statistic_progress.steps          kept     kept     kept     kept      -

	uncounted_card.change_id          kept     kept     kept     kept      -
	uncounted_card.card_id            kept     kept     kept     kept      -
	uncounted_card.code               kept     kept     kept     kept      -
	uncounted_card.version            kept     kept     kept     kept      -
	uncounted_card.was_status         kept     kept     kept     kept      -
	uncounted_card.was_outer_str      kept     kept     kept     kept      -
	uncounted_card.was_given_from     kept     kept     kept     kept      -
	uncounted_card.was_issued_at      kept     kept     kept     kept      -
	uncounted_card.was_claimed_at     kept     kept     kept     kept      -
	uncounted_card.was_activated_at   kept     kept     kept     kept      -
	uncounted_card.was_held_at        kept     kept     kept     kept      -
	uncounted_card.was_deleted_at     kept     kept     kept     kept      -
	uncounted_card.status             kept     kept     kept     kept      -
	uncounted_card.outer_str          kept     kept     kept     kept      -
	uncounted_card.given_from         kept     kept     kept     kept      -
	uncounted_card.issued_at          kept     kept     kept     kept      -
	uncounted_card.claimed_at         kept     kept     kept     kept      -
	uncounted_card.activated_at       kept     kept     kept     kept      -
	uncounted_card.held_at            kept     kept     kept     kept      -
	uncounted_card.deleted_at         kept     kept     kept     kept      -

	uncounted_entry.entry_id          kept     kept     kept     kept      -

	unfinished_copy.source            kept     kept     kept     kept      -
	unfinished_copy.began_at          kept     kept     kept     kept      -

	webhook.webhook_id                kept     kept     kept     kept      -
	webhook.url                       kept     kept     kept     kept      -
	webhook.description               kept     kept     kept     kept      -
	webhook.enabled                   kept     kept     kept     kept      -
	webhook.disabled_reason           kept     kept     kept     kept      -
	webhook.removed                   kept     kept     kept     kept      -
	webhook.secret                    kept     kept     kept     kept      -
	webhook.previous_secret           kept     kept     kept     kept      -
	webhook.previous_until            kept     kept     kept     kept      -
	webhook.created_at                kept     kept     kept     kept      -
	webhook.failures                  kept     kept     kept     kept      -
	webhook.paused_until              kept     kept     kept     kept      -
	webhook.last_success_at           kept     kept     kept     kept      -
	webhook.last_error                kept     kept     kept     kept      -

	webhook_subscription.type         kept     kept     kept     kept      -
	webhook_subscription.webhook_id   kept     kept     kept     kept      -

	webhook_queue.webhook_id          kept     kept     kept     kept      -
	webhook_queue.queue               kept     kept     kept     kept      -
	webhook_queue.due_at              kept     kept     kept     kept      -
	webhook_queue.lease               kept     kept     kept     kept      -

	webhook_delivery.seq              deleted  kept     kept     kept      -
	webhook_delivery.webhook_id       deleted  kept     kept     kept      -
	webhook_delivery.queue            deleted  kept     kept     kept      -
	webhook_delivery.event_id         deleted  kept     kept     kept      -
	webhook_delivery.type             deleted  kept     kept     kept      -
	webhook_delivery.member_id        deleted  kept     kept     kept      -
	webhook_delivery.card_id          deleted  kept     kept     kept      -
	webhook_delivery.code             deleted  kept     kept     kept      -
	webhook_delivery.data             deleted  kept     kept     kept      -
	webhook_delivery.happened_at      deleted  kept     kept     kept      -
	webhook_delivery.state            deleted  kept     kept     kept      -
	webhook_delivery.attempts         deleted  kept     kept     kept      -
	webhook_delivery.last_error       deleted  kept     kept     kept      -
	webhook_delivery.ended_at         deleted  kept     kept     kept      -
`

// fates holds decisions: by operation and column.
var fates = func() map[string]map[string]string {
	lines := strings.Split(strings.TrimSpace(decisions), "\n")
	operations, all := strings.Fields(lines[0])[1:], map[string]map[string]string{}
	for _, operation := range operations {
		all[operation] = map[string]string{}
	}
	for _, line := range lines[1:] {
		if cells := strings.Fields(line); len(cells) > 0 {
			for i, operation := range operations {
				all[operation][cells[0]] = cells[1+i]
			}
		}
	}
	return all
}()

func TestColumns_EveryOneIsDecidedAbout(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		found := map[string]bool{}
		db := open(t)
		for _, table := range tables(t, db) {
			columns, _ := read(t, db, table)
			for _, c := range columns {
				name := table + "." + c.Name()
				found[name] = true
				if fates["erased"][name] == "" {
					t.Errorf(`%s is a new column. Decide what happens to it and add it to the table "decisions" in columns_test.go:
	erased     Is it about a person? Then eraseSQL or anonymizeSQL must clear it, or a reason must permit keeping it.
	joined     Does it name a member? Then MoveIdentity or MoveCards must move it.
	giver      Does it stay with the code or go with the card? In that case MoveLedger, or receiveGift, must move it.
	recipient  What becomes of it in the row of the recipient's code?
	exported   Is it in the CSV of the members (Service.Export)? Give the name of its field, or -.`, name)
				}
			}
		}
		for name := range fates["erased"] {
			if !found[name] {
				t.Errorf("decisions has %s, which the schema does not have", name)
			}
		}
	})
}

func TestErase_TreatsEveryColumnAsDecided(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		a, b := fillTwo(t, db)
		write(t, db, func(ctx context.Context, tx member.Tx) error {
			return tx.Erase(ctx, a["member.member_id"], "anonymous")
		})
		check(t, db, "erased", a, b, map[string]string{"member_card.member_id": "anonymous", "imported.member_id": "anonymous"})
		check(t, db, "", b, a, nil)
	})
}

func TestJoin_TreatsEveryColumnAsDecided(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		a, b := fillTwo(t, db)
		write(t, db, func(ctx context.Context, tx member.Tx) error {
			from, openID, into := a["member.member_id"], a["identity.openid"], b["member.member_id"]
			if err := tx.MoveIdentity(ctx, official, openID, into); err != nil {
				return err
			}
			if err := tx.MoveCards(ctx, from, openID, into); err != nil {
				return err
			}
			return tx.DeleteMember(ctx, from)
		})
		check(t, db, "joined", a, b, b)
		check(t, db, "", b, a, nil)
	})
}

func TestGift_TreatsEveryColumnAsDecided(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		giver, recipient := fillTwo(t, db)
		receive(t, newService(db), member.Event{
			DedupeKey: "gift", CardID: "c1", Code: recipient["member_card.code"], OpenID: recipient["identity.openid"],
			OldCode: giver["member_card.code"], FriendOpenID: giver["identity.openid"],
		})
		check(t, db, "giver", giver, recipient, recipient)
		check(t, db, "recipient", recipient, giver, giver)
	})
}

func TestExport_HasTheColumnsThatAreDecided(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		a, _ := fillTwo(t, db)
		var file bytes.Buffer
		if err := newService(db).Export(t.Context(), &file, sheet.File{Format: sheet.CSV}); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file.String(), "\ufeff"))).ReadAll()
		if err != nil || len(lines) != 3 {
			t.Fatalf("got %q, %v, want a header and a line for each of two cards", lines, err)
		}
		line := slices.IndexFunc(lines, func(cells []string) bool { return cells[0] == a["member.member_id"] })
		if line < 0 {
			t.Fatalf("%q has no line of %s", lines, a["member.member_id"])
		}
		// Every cell is the value of the one column that is decided to be there, so no
		// other column is there.
		columnOf := map[string]string{}
		for column, field := range fates["exported"] {
			if columnOf[field] != "" && field != "-" {
				t.Errorf("decisions has %s and %s as the same field", column, columnOf[field])
			}
			columnOf[field] = column
		}
		for i, field := range lines[0] {
			if want := a[columnOf[field]]; lines[line][i] != want && lines[line][i] != asTime(want) || want == "" {
				t.Errorf("field %s: got %q, want %q of column %q", field, lines[line][i], want, columnOf[field])
			}
			delete(columnOf, field)
		}
		delete(columnOf, "-")
		for field, column := range columnOf {
			t.Errorf("field %s is missing: %s is not exported", field, column)
		}
	})
}

// asTime returns what the CSV has for milliseconds in the database.
func asTime(ms string) string {
	var n int64
	if _, err := fmt.Sscan(ms, &n); err != nil {
		return ""
	}
	return time.UnixMilli(n).UTC().Format(time.RFC3339)
}

// check compares the rows that fill added for a person with what is decided. An
// operation without a name keeps everything. moved holds the values that columns
// that are moved must have; other is the other person's rows.
func check(t *testing.T, db *sqldb.DB, operation string, before, other, moved map[string]string) {
	t.Helper()
	after := rowsLike(t, db, before, other)
	for column, was := range before {
		now, there := after[column]
		fate := "kept"
		if operation != "" {
			fate = fates[operation][column]
		}
		ok := there
		switch fate {
		case "kept":
			ok = ok && now == was
		case "cleared":
			ok = ok && isZero(now) && !isZero(was)
		case "changed":
			ok = ok && now != was && !isZero(now)
		case "moved":
			ok = ok && now != was && now == moved[column]
		case "deleted":
			ok = !there
		default:
			ok = false
		}
		if !ok {
			t.Errorf("%s: %q became %q (the row is there: %v); decisions has %q under %q", column, was, now, there, fate, operation)
		}
	}
}

func isZero(value string) bool { return value == "" || value == "0" || value == "{}" }

// fillTwo adds the rows of two persons, each with its own value in every column,
// and returns the values by column. Of the second one, the recipient of a gift, the
// ledger and the custom fields are empty, and the face is not known.
func fillTwo(t *testing.T, db *sqldb.DB) (a, b map[string]string) {
	t.Helper()
	a = fill(t, db, "a", 1, map[string]any{"member_card.seq": 7, "member_card.told": 7})
	b = fill(t, db, "b", 500, map[string]any{
		"member_card.seq": 0, "member_card.told": 0, "member_card.face_known": 0,
		"member_card.custom_field1": "", "member_card.custom_field2": "", "member_card.custom_field3": "",
	})
	for column, value := range a {
		if isZero(value) && column != "member.erased_at" {
			t.Errorf("%s is empty: the test would not notice what happens to it", column)
		}
	}
	return a, b
}

// fill adds a row of the person to each table. What is not in set gets a value that
// is nowhere else: numbers from first on, in millions, and texts.
func fill(t *testing.T, db *sqldb.DB, person string, first int, set map[string]any) map[string]string {
	t.Helper()
	common := map[string]any{ // what ties the rows to each other, or has few values
		"app_id": official, "openid": "openid-" + person, "wallet": "openid-" + person, "member_id": "member-" + person,
		"card_id": "c1", "code": "code-" + person, "ledger": "ledger-" + person,
		"card.card_id": "card-" + person, "card_created.card_id": "card-" + person, "card_review.card_id": "card-" + person,
		"erased_openid.erased_at": time.Now().UnixMilli(),
		"status":                  "active", "state": "waiting", "submitted": 1, "face_known": 1, "erased_at": 0,
		"staff.role": "cashier", "staff_key.kind": "link", "outbox_retry.state": "running", "import.state": "running",
		"recovery_card.state": "unread",
	}
	filled := map[string]string{}
	for _, table := range inOrder() {
		columns, _ := read(t, db, table)
		var names sqldb.Columns
		var values []any
		for _, c := range columns {
			name := table + "." + c.Name()
			var value any = person + "-" + name
			if strings.ToUpper(c.DatabaseTypeName()) != "TEXT" {
				value = first * 1_000_000
				first++
			}
			for _, by := range []map[string]any{{name: common[c.Name()]}, common, set} {
				if v := by[name]; v != nil {
					value = v
				}
			}
			names, values, filled[name] = append(names, c.Name()), append(values, value), fmt.Sprint(value)
		}
		sqldbtest.Exec(t, db, "insert into "+table+" ("+names.List("")+") values ("+names.Values(1)+")", values...)
	}
	return filled
}

// inOrder returns the tables in the order of decisions, in which rows can be added.
func inOrder() (names []string) {
	for _, line := range strings.Split(decisions, "\n") {
		if table, _, ok := strings.Cut(strings.TrimSpace(line), "."); ok && !slices.Contains(names, table) {
			names = append(names, table)
		}
	}
	return names
}

// rowsLike returns the values that the rows of a person, as fill returned them, have
// now. In each table the key is the first column in which the other person's row
// differs. The values of a deleted row are missing.
func rowsLike(t *testing.T, db *sqldb.DB, person, other map[string]string) map[string]string {
	t.Helper()
	now := map[string]string{}
	for _, table := range inOrder() {
		columns, rows := read(t, db, table)
		key := columns[slices.IndexFunc(columns, func(c *sql.ColumnType) bool {
			return person[table+"."+c.Name()] != other[table+"."+c.Name()]
		})].Name()
		for _, row := range rows {
			for name, value := range row {
				if row[key] == person[table+"."+key] {
					now[table+"."+name] = value
				}
			}
		}
	}
	return now
}

// tables returns the tables of the schema but goose's, which holds the version.
func tables(t *testing.T, db *sqldb.DB) []string {
	t.Helper()
	query := `select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'`
	if strings.HasSuffix(t.Name(), "/postgres") {
		query = `select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`
	}
	names, err := sqldb.All(t.Context(), db.Read(), "list tables", sqldb.Text, query)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "goose_db_version" })
}

// read returns the columns of a table and its rows by column.
func read(t *testing.T, db *sqldb.DB, table string) (columns []*sql.ColumnType, all []map[string]string) {
	t.Helper()
	rows, err := db.Read().Query(t.Context(), "select * from "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if columns, err = rows.ColumnTypes(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		cells, row := make([]any, len(columns)), map[string]string{}
		for i := range cells {
			cells[i] = new(string)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		for i, c := range columns {
			row[c.Name()] = *cells[i].(*string)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return columns, all
}

const (
	mini     = "wxmini"
	official = "wxofficial"
)

// catalogue has every card; addcard activates them.
type catalogue struct{}

func (catalogue) Plan(context.Context, string) (member.Plan, error)      { return member.PlanPush, nil }
func (catalogue) FetchPlan(context.Context, string) (member.Plan, error) { return member.PlanPush, nil }
func (catalogue) InitialGrant(context.Context, string) (member.InitialGrant, error) {
	return member.InitialGrant{}, nil
}

func newService(db *sqldb.DB) *member.Service {
	return member.New(sqlstore.New(db), member.Apps{MiniProgram: mini, Official: official}, catalogue{}, func() {})
}

// receive delivers the event that a card was taken.
func receive(t *testing.T, s *member.Service, e member.Event) {
	t.Helper()
	e.Name, e.At = "user_get_card", time.Unix(1e9, 0)
	if err := s.Receive(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, db *sqldb.DB, fn func(ctx context.Context, tx member.Tx) error) {
	t.Helper()
	if err := sqlstore.New(db).Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
