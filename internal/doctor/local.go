package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// unreadable is the finding when the database fails after it was opened.
func unreadable(err error) Finding {
	return failed(say("check that the database runs and that DATABASE_URL's user may read all tables",
		"检查数据库是否在运行，DATABASE_URL 里的用户是否能读所有的表"), same("%v", err))
}

func (d *doctor) configuration(context.Context) Finding {
	var missing []Text
	for _, v := range []struct {
		set   bool
		named Text
	}{
		{d.cfg.CallbackAESKey != "", say("CALLBACK_AES_KEY (pushes come in the clear)", "CALLBACK_AES_KEY（微信推送不加密）")},
		{d.cfg.DataKeys != "", say("DATA_KEYS (forms of one-click cards are not kept)", "DATA_KEYS（不保存一键开卡填写的资料）")},
		{d.cfg.OfficialOriginalID != "", say("OFFICIAL_ORIGINAL_ID (pushes for another account are not ignored)",
			"OFFICIAL_ORIGINAL_ID（不会忽略发给其他账号的推送）")},
	} {
		if !v.set {
			missing = append(missing, v.named)
		}
	}
	switch u, err := url.Parse(d.cfg.WeChatAPIURL); {
	case err != nil || !strings.HasSuffix(u.Hostname(), ".weixin.qq.com"):
		return warning(realWeChat, say("valid; WECHAT_API_URL is not WeChat's own", "有效；WECHAT_API_URL 不是微信的地址"))
	case len(missing) > 0:
		return warning(say("set them; docs/configuration.md says what each is for", "设置它们；用途见 docs/configuration.md"),
			say("valid; not set: %s", "有效；没有设置：%s", join(missing, ", ", "、")))
	}
	return ok("valid and complete", "有效，没有遗漏")
}

// exposure checks what other machines can reach or read.
func (d *doctor) exposure(context.Context) Finding {
	var found, fix []Text
	for _, w := range d.cfg.Warnings() {
		found, fix = append(found, Text{w.Found, w.FoundChinese}), append(fix, Text{w.Fix, w.FixChinese})
	}
	if len(found) > 0 {
		return warning(join(fix, "; ", "；"), join(found, "; ", "；"))
	}
	return ok("the operator's listener is private, and no password leaves this machine unencrypted",
		"管理端口只在内网可用，密码不会明文离开本机")
}

func (d *doctor) open(ctx context.Context, open func(context.Context) (*Deployment, error)) Finding {
	opened, err := open(ctx)
	if err != nil {
		return failed(say("check DATABASE_URL, and that this user may write there", "检查 DATABASE_URL，以及这个用户能否在那里写入"), same("%v", err))
	}
	d.Deployment = opened
	f := d.database(ctx)
	if f.Outcome == Failed {
		return f
	}
	switch damage, err := d.Database.Damage(ctx); {
	case err != nil:
		return unreadable(err)
	case len(damage) > 0:
		return failed(say("stop the server and restore a backup, as docs/backup.md says; server check lists all",
			"停止服务器，按 docs/backup.md 恢复备份；server check 列出所有损坏之处"),
			say("the file is damaged in %d places: %s", "文件有 %d 处损坏：%s", len(damage), damage[0]))
	case f.Outcome == Warning:
		return f
	}
	return ok("open, its tables are up to date", "已打开，表结构是最新的")
}

// database checks that the open database can be used.
func (d *doctor) database(ctx context.Context) Finding {
	if err := d.Database.Ready(ctx); err != nil {
		return failed(say("check DATABASE_URL", "检查 DATABASE_URL"), same("%v", err))
	}
	switch n, synchronous, err := d.Database.Servers(ctx); {
	case err != nil:
		return unreadable(err)
	case n > 1 && !synchronous:
		return warning(say("on the primary: alter system set synchronous_standby_names = 'ANY 1 (*)'; select pg_reload_conf(); "+
			"docs/operations.md says when this is not needed",
			"在主库上执行：alter system set synchronous_standby_names = 'ANY 1 (*)'; select pg_reload_conf(); 哪些情况不需要，见 docs/operations.md"),
			say("the database has %d servers, but a commit does not wait for a second one: acknowledged entries can be lost with the primary",
				"数据库有 %d 台服务器，但提交不等待备库确认：主库故障时，已确认的明细可能丢失", n))
	}
	return ok("can be read and written", "可以读写")
}

func (d *doctor) recovery(context.Context) Finding {
	if d.Recovery.Active() {
		return warning(same("server recover status"),
			say("the database was restored from a copy; what differs from WeChat is held until the recovery is ended",
				"数据库是从备份恢复的；和微信不一致的会员卡暂停同步和记账，直到恢复结束"))
	}
	return ok("none: the database is no restored copy", "没有进行中的恢复：数据库不是恢复的备份")
}

func (d *doctor) ticketStore(ctx context.Context) Finding {
	store := say("the database", "数据库")
	if d.cfg.RedisURL != "" {
		store = same("Redis")
	}
	if err := d.Tickets.Reachable(ctx); err != nil {
		return failed(say("check REDIS_URL; docs/configuration.md says what Redis must allow",
			"检查 REDIS_URL；Redis 要允许哪些命令，见 docs/configuration.md"), say("%s: %v", "%s：%v", store, err))
	}
	if policy := d.Tickets.Eviction(ctx); policy != "" && policy != "noeviction" {
		return warning(same("redis-cli CONFIG SET maxmemory-policy noeviction"),
			say("Redis answers, and may drop the tickets when its memory is full: maxmemory-policy is %s",
				"Redis 可用，但内存满时可能删除票据：maxmemory-policy 是 %s", policy))
	}
	return ok("%s answers", "%s可用", store)
}

// pages reminds of what WeChat tells no program: which hosts its console allows.
func (d *doctor) pages(context.Context) Finding {
	hosts := strings.Join(slices.DeleteFunc(slices.Clone(d.cfg.JSSDKHosts), onThisMachine), ", ")
	switch {
	case hosts == "":
		return ok("JSSDK_HOSTS names none that phones reach", "JSSDK_HOSTS 里没有手机能访问的网页")
	case d.cfg.PublicURL == "":
		return warning(say("set PUBLIC_URL to where phones reach the public listener, for example https://api.shop.example",
			"把 PUBLIC_URL 设为手机访问公开端口的地址，例如 https://api.shop.example"),
			say("people cannot sign in on %s: PUBLIC_URL is not set", "用户无法在 %s 登录：没有设置 PUBLIC_URL", hosts))
	}
	return skipped(say("enter %s at 公众平台 > 设置与开发 > 公众号设置 > 功能设置, as JS接口安全域名 and 网页授权域名",
		"在 公众平台 > 设置与开发 > 公众号设置 > 功能设置 里，把 %s 填为 JS接口安全域名 和 网页授权域名", hosts),
		say("WeChat tells no program whether it has verified %s", "微信不提供接口查询 %s 是否已通过验证", hosts))
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
		return warning(same("server member find %s", shared[0]),
			say("WeChat gave the unionid %s for two people or more, and %d others; they are not used, so only cards join these people",
				"微信把 unionid %s 给了两个以上的人，这样的 unionid 另有 %d 个；它们不用来关联账号，这些人只能通过会员卡关联",
				shared[0], len(shared)-1))
	case len(people) == 0:
		return skipped(Text{}, say("no member has logged in yet", "还没有会员登录过"))
	case with == 0:
		return warning(say("bind the mini-program and the service account to one 微信开放平台 account; wx.addCard needs it too",
			"把小程序和服务号绑定到同一个微信开放平台账号；wx.addCard 也需要它"),
			say("none of the newest %d members has one", "最新的 %d 位会员都没有 unionid", len(people)))
	}
	return ok("%d of the newest %d members have one", "有 unionid 的：%d 位（最新的 %d 位会员中）", with, len(people))
}

func (d *doctor) outbox(ctx context.Context) Finding {
	b, err := d.Outbox.Backlog(ctx)
	switch {
	case err != nil:
		return unreadable(err)
	case b.Parked > 0:
		return warning(same("server outbox list --state dead"),
			say("WeChat refused %d messages for good", "有 %d 条消息被微信拒绝，不再自动重试", b.Parked))
	case b.Oldest > time.Hour:
		oldest := b.Oldest.Round(time.Minute)
		return warning(same("server outbox list"),
			say("%d messages wait for WeChat, the oldest for %v", "有 %d 条消息等待同步到微信，最早的已等待 %s",
				b.Waiting, Text{oldest.String(), fmt.Sprintf("%.0f 分钟", oldest.Minutes())}))
	}
	return ok("%d messages wait for WeChat", "有 %d 条消息等待同步到微信", b.Waiting)
}

// onThisMachine reports whether a host of JSSDK_HOSTS is for trials on this machine.
func onThisMachine(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback()
}

// sealed checks that the keys open what is encrypted. A key that was removed too early,
// or lost, makes forms unreadable and phone numbers unfindable.
func (d *doctor) sealed(ctx context.Context) Finding {
	n, keys, err := d.Sealed.Unopened(ctx)
	switch {
	case err != nil:
		return unreadable(err)
	case n > 0:
		names := strings.Join(keys, ", ")
		return warning(say("put the key named %s back at the end of DATA_KEYS; server data-keys rotate then makes it dispensable",
			"把名为 %s 的密钥放回 DATA_KEYS 的末尾；之后运行 server data-keys rotate 就不再需要它", names),
			say("no key of DATA_KEYS opens %d forms, phone numbers or secrets; they were encrypted with %s",
				"有 %d 份资料（表单、手机号或密钥）用 DATA_KEYS 里的密钥都打不开；加密用的是 %s", n, names))
	}
	return ok("the keys open all forms, phone numbers and secrets", "所有表单、手机号和密钥都能解密")
}
