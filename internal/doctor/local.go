package doctor

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// unreadable is the finding when the database fails after it was opened.
func unreadable(err error) Finding {
	return failed("check that the database runs and that DATABASE_URL's user may read all tables", "%v", err)
}

func (d *doctor) configuration(context.Context) Finding {
	var missing []string
	for name, set := range map[string]bool{
		"CALLBACK_AES_KEY (pushes come in the clear)":                       d.cfg.CallbackAESKey != "",
		"OFFICIAL_ORIGINAL_ID (pushes for another account are not ignored)": d.cfg.OfficialOriginalID != "",
		"DATA_KEYS (forms of one-click cards are not kept)":                 d.cfg.DataKeys != "",
	} {
		if !set {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	switch u, err := url.Parse(d.cfg.WeChatAPIURL); {
	case err != nil || !strings.HasSuffix(u.Hostname(), ".weixin.qq.com"):
		return warning("unset WECHAT_API_URL to use the real WeChat", "valid; WECHAT_API_URL is not WeChat's own")
	case len(missing) > 0:
		return warning("set them; docs/configuration.md says what each is for", "valid; not set: %s", strings.Join(missing, ", "))
	}
	return ok("valid and complete")
}

// exposure checks what other machines can reach or read.
func (d *doctor) exposure(context.Context) Finding {
	var found, fix []string
	for _, w := range d.cfg.Warnings() {
		found, fix = append(found, w.Found), append(fix, w.Fix)
	}
	if len(found) > 0 {
		return warning(strings.Join(fix, "; "), "%s", strings.Join(found, "; "))
	}
	return ok("the operator's listener is private, and no password leaves this machine unencrypted")
}

func (d *doctor) open(ctx context.Context, open func(context.Context) (*Deployment, error)) Finding {
	opened, err := open(ctx)
	if err != nil {
		return failed("check DATABASE_URL, and that this user may write there", "%v", err)
	}
	d.Deployment = opened
	if f := d.database(ctx); f.Outcome == Failed {
		return f
	}
	switch damage, err := d.Database.Damage(ctx); {
	case err != nil:
		return unreadable(err)
	case len(damage) > 0:
		return failed("stop the server and restore a backup, as docs/operations.md says; server check lists all",
			"the file is damaged in %d places: %s", len(damage), damage[0])
	}
	return ok("open, its tables are up to date")
}

// database checks that the open database can be used.
func (d *doctor) database(ctx context.Context) Finding {
	if err := d.Database.Ready(ctx); err != nil {
		return failed("check DATABASE_URL", "%v", err)
	}
	return ok("can be read and written")
}

func (d *doctor) ticketStore(ctx context.Context) Finding {
	store := "the database"
	if d.cfg.RedisURL != "" {
		store = "Redis"
	}
	if err := d.Tickets.Reachable(ctx); err != nil {
		return failed("check REDIS_URL; docs/configuration.md says what Redis must allow", "%s: %v", store, err)
	}
	return ok("%s answers", store)
}

// unionID checks that no two people have one unionid, and the newest members.
// Without unionids, the openids that a person has in the mini-program and in the
// service account are not linked before one of the person's cards links them.
func (d *doctor) unionID(ctx context.Context) Finding {
	const newest, maxShared = 200, 1000
	people, err := d.Members.People(ctx, member.Mark{}, newest)
	if err != nil {
		return unreadable(err)
	}
	shared, err := d.Members.SharedUnionIDs(ctx, maxShared)
	if err != nil {
		return unreadable(err)
	}
	with := 0
	for _, p := range people {
		if slices.ContainsFunc(p.Identities, func(id member.Identity) bool { return id.UnionID != "" }) {
			with++
		}
	}
	switch {
	case len(shared) > 0:
		return warning("server member find "+shared[0],
			"WeChat gave the unionid %s for two people or more, and %d others; they are not used, so only cards join these people",
			shared[0], len(shared)-1)
	case len(people) == 0:
		return skipped("", "no member has logged in yet")
	case with == 0:
		return warning("bind the mini-program and the service account to one 微信开放平台 account; wx.addCard needs it too",
			"none of the newest %d members has one", len(people))
	}
	return ok("%d of the newest %d members have one", with, len(people))
}

func (d *doctor) outbox(ctx context.Context) Finding {
	b, err := d.Outbox.Backlog(ctx)
	switch {
	case err != nil:
		return unreadable(err)
	case b.Parked > 0:
		return warning("server outbox list --state dead", "WeChat refused %d messages for good", b.Parked)
	case b.Oldest > time.Hour:
		return warning("server outbox list", "%d messages wait for WeChat, the oldest for %v", b.Waiting, b.Oldest.Round(time.Minute))
	}
	return ok("%d messages wait for WeChat", b.Waiting)
}
