package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/wechat"
)

// The places of WeChat's console that show an app's AppID, AppSecret and IP
// whitelist.
const (
	officialConsole    = "公众平台 > 设置与开发 > 基本配置"
	miniProgramConsole = "小程序后台 > 开发管理 > 开发设置"
)

// fixes says what mends an errcode. {console} stands for the app's place in
// WeChat's console, {api} for the call.
var fixes = map[int]Text{
	0: {
		"let this machine reach {api} at WECHAT_API_URL: check the firewall, the proxy and DNS",
		"让本机能访问 WECHAT_API_URL 的 {api}：检查防火墙、代理和 DNS",
	},
	40001: secretWrong,
	40013: {"copy the AppID again: {console}", "重新复制 AppID：{console}"},
	40125: secretWrong,
	40164: {
		"add the address that WeChat names to the IP whitelist: {console} > IP白名单",
		"把微信报出的地址加入 IP 白名单：{console} > IP白名单",
	},
	61004: {"add this machine's address to the IP whitelist: {console} > IP白名单", "把本机的地址加入 IP 白名单：{console} > IP白名单"},
	40243: {"have the administrator unfreeze the AppSecret: {console}", "请管理员解冻 AppSecret：{console}"},
	45009: {
		"the day's quota is spent: wait for midnight in Beijing, or find out what else spends it",
		"当天的调用额度已用完：等到北京时间零点，或者查清还有什么程序在调用",
	},
	48001: {
		"get the card permission (卡券功能): 公众平台 > 添加功能插件 > 卡券功能; " +
			"OFFICIAL_APP_ID must be the service account's AppID, not the mini-program's",
		"开通卡券功能：公众平台 > 添加功能插件 > 卡券功能；OFFICIAL_APP_ID 要填服务号的 AppID，不是小程序的",
	},
	48004: {"the call is banned: read the account's messages at 公众平台", "接口已被封禁：请查看公众平台的通知"},
}

var (
	secretWrong = Text{
		"copy the AppSecret again: {console}; the AppIDs of the two apps must not be swapped",
		"重新复制 AppSecret：{console}；并检查小程序和服务号的 AppID 有没有填反",
	}
	realWeChat = Text{"unset WECHAT_API_URL to use the real WeChat", "要连接真正的微信，请去掉 WECHAT_API_URL"}
)

// refused is the finding for an error of WeChat, with the fix for its errcode.
func refused(console string, err error) Finding {
	var e *wechat.Error
	if !errors.As(err, &e) {
		return failed(say("see the error", "见错误信息"), same("%v", err))
	}
	fix, found := fixes[e.Code]
	if !found {
		fix = say("find the errcode on WeChat's page 全局返回码", "在微信文档的“全局返回码”里查找 errcode")
	}
	names := strings.NewReplacer("{console}", console, "{api}", e.API)
	return failed(Text{names.Replace(fix.English), names.Replace(fix.Chinese)}, same("%v", e))
}

func (d *doctor) officialSecret(ctx context.Context) Finding {
	if _, _, err := d.Official.StableToken(ctx); err != nil {
		return refused(officialConsole, err)
	}
	return ok("WeChat issues an access_token", "能从微信获取 access_token")
}

// miniProgramSecret logs in with a code that does not exist. When WeChat refuses
// the code, it has accepted the AppID and the AppSecret.
func (d *doctor) miniProgramSecret(ctx context.Context) Finding {
	_, _, err := d.MiniProgram.Code2Session(ctx, "doctor"+rand.Text()[:16])
	var e *wechat.Error
	switch {
	case errors.As(err, &e) && e.LoginCodeRefused():
		return ok("WeChat accepts it, and refuses a made-up login code as expected", "正确：微信拒绝了一个假的登录 code，符合预期")
	case err == nil:
		return warning(realWeChat, say("WeChat accepts a made-up login code", "微信接受了一个假的登录 code"))
	}
	return refused(miniProgramConsole, err)
}

// miniProgramToken asks for the access_token that phone numbers need. WeChat gives all
// callers the same, so this ends no token and uses up nothing that is scarce.
func (d *doctor) miniProgramToken(ctx context.Context) Finding {
	if _, _, err := d.MiniProgram.StableToken(ctx); err != nil {
		f := refused(miniProgramConsole, err)
		f.Outcome = Warning // a shop without phone numbers does not need it
		return f
	}
	return ok("WeChat issues it, for phone numbers", "能获取，用于手机号验证")
}

func (d *doctor) clock(context.Context) Finding {
	if offset := d.Clock.Offset(); offset != 0 {
		offset = offset.Round(time.Second)
		return warning(say("set the clock: timedatectl set-ntp true", "校准时钟：timedatectl set-ntp true"),
			say("%v off WeChat's latest answer; the server corrects for it, up to two days",
				"和微信最近一次返回的时间相差 %s；两天以内，服务器会自动修正",
				Text{offset.String(), fmt.Sprintf("%.0f 秒", offset.Seconds())}))
	}
	return ok("within a minute of WeChat's", "和微信的时间相差不到 1 分钟")
}

func (d *doctor) permission(ctx context.Context) Finding {
	_, total, err := d.Official.CardIDs(ctx, 0)
	if err != nil {
		return refused(officialConsole, err)
	}
	d.atWeChat = total
	return ok("granted; the account has %d cards", "已开通；账号有 %d 张卡", total)
}

// cards asks WeChat for up to 50 cards of the catalogue. It does not store the
// answers: a card that WeChat no longer has would be stored as deleted, and the
// next run would not report it.
func (d *doctor) cards(ctx context.Context) Finding {
	const maxCards = 50
	return d.examineCards(ctx, maxCards, func(c card.Card) (card.Status, error) {
		now, err := d.Official.Card(ctx, c.ID)
		return now.Status, err
	})
}

// catalogue is cards by what the catalogue has of all of them.
func (d *doctor) catalogue(ctx context.Context) Finding {
	return d.examineCards(ctx, math.MaxInt, func(c card.Card) (card.Status, error) {
		if c.Status == card.Deleted {
			return c.Status, card.ErrNotFound
		}
		return c.Status, nil
	})
}

// examineCards examines up to n cards of the catalogue. status returns that of a card
// now, or card.ErrNotFound.
func (d *doctor) examineCards(ctx context.Context, n int, status func(card.Card) (card.Status, error)) Finding {
	stored, err := d.Catalogue.List(ctx)
	if err != nil {
		return unreadable(err)
	}
	stored = stored[:min(len(stored), n)]
	if len(stored) == 0 && d.atWeChat > 0 {
		return warning(say("check DATABASE_URL; if the shop had members, server restore a backup; else start the server once: it reads the cards",
			"检查 DATABASE_URL；如果店铺有过会员，用 server restore 恢复备份；否则启动一次服务器，它会读取账号的卡"),
			say("the catalogue is empty, although WeChat has %d cards of this account: the database is new, or a copy that was cut off",
				"数据库里没有会员卡，而微信上这个账号有 %d 张：数据库是新的，或者是不完整的备份", d.atWeChat))
	}
	own := 0
	var bad []Text
	var inReview []string
	for _, c := range stored {
		now, err := status(c)
		switch {
		case errors.Is(err, card.ErrNotFound):
			if c.Status != card.Deleted {
				bad = append(bad, say("%s is not this account's, or was deleted", "%s 不属于这个账号，或者已被删除", c.ID))
			}
			continue
		case err != nil:
			return refused(officialConsole, err)
		case now == card.VerifyFailed:
			bad = append(bad, say("%s was refused in review%s", "%s 没有通过审核%s", c.ID, reasonOf(c)))
		case now == card.NotVerified:
			inReview = append(inReview, c.ID)
		}
		own++
	}
	return cardsFinding(len(stored), own, bad, inReview)
}

// reasonOf returns why a card of the catalogue was refused, if WeChat's event said
// so.
func reasonOf(c card.Card) Text {
	if c.RefuseReason == "" {
		return Text{}
	}
	return say(" (%s)", "（%s）", c.RefuseReason)
}

func cardsFinding(stored, own int, bad []Text, inReview []string) Finding {
	switch {
	case stored == 0:
		return warning(say("server card create, or start the server once: it reads the account's cards",
			"server card create；或者启动一次服务器，它会读取账号的卡"), say("the catalogue is empty", "没有会员卡"))
	case own == 0:
		return failed(say("set OFFICIAL_APP_ID to the service account that created them", "把 OFFICIAL_APP_ID 设为创建这些卡的服务号"),
			say("none of the %d in the catalogue is this account's, or all were deleted",
				"%d 张卡都不属于这个账号，或者都已被删除", stored))
	case len(bad) > 0:
		return warning(say("server card show ID; a refused card is mended with server card update ID",
			"server card show ID 查看；没有通过审核的卡用 server card update ID 修改"), join(bad, "; ", "；"))
	case len(inReview) > 0:
		return warning(say("wait up to three working days; testers can claim them before: server card whitelist",
			"最多等 3 个工作日；在这之前测试人员可以领取：server card whitelist"),
			say("in review: %s", "审核中：%s", strings.Join(inReview, ", ")))
	case own < stored:
		return ok("%d of this account, %d deleted", "属于这个账号的 %d 张，已删除的 %d 张", own, stored-own)
	}
	return ok("%d, all of this account", "%d 张，都属于这个账号", own)
}

func (d *doctor) ticket(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := d.Tickets.Ticket(ctx); err != nil {
		return refused(officialConsole, err)
	}
	return ok("there, shared by all replicas", "可用，所有实例共用")
}

// quota checks the two calls with the smallest quotas. An error is not reported:
// the checks before this one have found what is wrong.
func (d *doctor) quota(ctx context.Context) Finding {
	var used []Text
	short := false
	for _, path := range []string{"/cgi-bin/ticket/getticket", "/card/get"} {
		q, err := d.Official.Quota(ctx, path)
		if err != nil {
			continue
		}
		used = append(used, say("%s %d of %d used", "%s 已用 %d，共 %d", path, q.Used, q.DailyLimit))
		short = short || q.Left < q.DailyLimit/10
	}
	switch {
	case len(used) == 0:
		return skipped(Text{}, say("WeChat does not report it", "微信没有提供"))
	case short:
		return warning(say("find out what else calls WeChat for this account; the quota restarts at midnight in Beijing",
			"查清还有什么程序在用这个账号调用微信；额度在北京时间零点重新计算"), join(used, ", ", "；"))
	}
	return Finding{Outcome: OK, Found: join(used, ", ", "；")}
}
