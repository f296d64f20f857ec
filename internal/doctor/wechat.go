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
var fixes = map[int]string{
	0:     "let this machine reach {api} at WECHAT_API_URL: check the firewall, the proxy and DNS",
	40001: "copy the AppSecret again: {console}",
	40013: "copy the AppID again: {console}",
	40125: "copy the AppSecret again: {console}",
	40164: "add the address that WeChat names to the IP whitelist: {console} > IP白名单",
	61004: "add this machine's address to the IP whitelist: {console} > IP白名单",
	40243: "have the administrator unfreeze the AppSecret: {console}",
	45009: "the day's quota is spent: wait for midnight in Beijing, or find out what else spends it",
	48001: "get the card permission (卡券功能): 公众平台 > 添加功能插件 > 卡券功能; " +
		"OFFICIAL_APP_ID must be the service account's AppID, not the mini-program's",
	48004: "the call is banned: read the account's messages at 公众平台",
}

// refused is the finding for an error of WeChat, with the fix for its errcode.
func refused(console string, err error) Finding {
	var e *wechat.Error
	if !errors.As(err, &e) {
		return failed("see the error", "%v", err)
	}
	fix, found := fixes[e.Code]
	if !found {
		fix = "find the errcode on WeChat's page 全局返回码"
	}
	return failed(strings.NewReplacer("{console}", console, "{api}", e.API).Replace(fix), "%v", e)
}

func (d *doctor) officialSecret(ctx context.Context) Finding {
	if _, _, err := d.Official.StableToken(ctx); err != nil {
		return refused(officialConsole, err)
	}
	return ok("WeChat issues an access_token")
}

// miniProgramSecret logs in with a code that does not exist. When WeChat refuses
// the code, it has accepted the AppID and the AppSecret.
func (d *doctor) miniProgramSecret(ctx context.Context) Finding {
	_, _, err := d.MiniProgram.Code2Session(ctx, "doctor"+rand.Text()[:16])
	var e *wechat.Error
	switch {
	case errors.As(err, &e) && e.LoginCodeRefused():
		return ok("WeChat accepts it, and refuses a made-up login code as expected")
	case err == nil:
		return warning("unset WECHAT_API_URL to use the real WeChat", "WeChat accepts a made-up login code")
	}
	return refused(miniProgramConsole, err)
}

func (d *doctor) clock(context.Context) Finding {
	if offset := d.Clock.Offset(); offset != 0 {
		return warning("set the clock: timedatectl set-ntp true",
			"%v off WeChat's latest answer; the server corrects for it, up to two days", offset.Round(time.Second))
	}
	return ok("within a minute of WeChat's")
}

func (d *doctor) permission(ctx context.Context) Finding {
	_, total, err := d.Official.CardIDs(ctx, 0)
	if err != nil {
		return refused(officialConsole, err)
	}
	return ok("granted; the account has %d cards", total)
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
	own := 0
	var bad, inReview []string
	for _, c := range stored {
		now, err := status(c)
		switch {
		case errors.Is(err, card.ErrNotFound):
			if c.Status != card.Deleted {
				bad = append(bad, c.ID+" is not this account's, or was deleted")
			}
			continue
		case err != nil:
			return refused(officialConsole, err)
		case now == card.VerifyFailed:
			bad = append(bad, c.ID+" was refused in review"+reasonOf(c))
		case now == card.NotVerified:
			inReview = append(inReview, c.ID)
		}
		own++
	}
	return cardsFinding(len(stored), own, bad, inReview)
}

// reasonOf returns why a card of the catalogue was refused, if WeChat's event said
// so.
func reasonOf(c card.Card) string {
	if c.RefuseReason == "" {
		return ""
	}
	return " (" + c.RefuseReason + ")"
}

func cardsFinding(stored, own int, bad, inReview []string) Finding {
	switch {
	case stored == 0:
		return warning("server card create, or start the server once: it reads the account's cards", "the catalogue is empty")
	case own == 0:
		return failed("set OFFICIAL_APP_ID to the service account that created them",
			"none of the %d in the catalogue is this account's, or all were deleted", stored)
	case len(bad) > 0:
		return warning("server card show ID; a refused card is mended with server card update ID", "%s", strings.Join(bad, "; "))
	case len(inReview) > 0:
		return warning("wait up to three working days; testers can claim them before: server card whitelist",
			"in review: %s", strings.Join(inReview, ", "))
	case own < stored:
		return ok("%d of this account, %d deleted", own, stored-own)
	}
	return ok("%d, all of this account", own)
}

func (d *doctor) ticket(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := d.Tickets.Ticket(ctx); err != nil {
		return refused(officialConsole, err)
	}
	return ok("there, shared by all replicas")
}

// quota checks the two calls with the smallest quotas. An error is not reported:
// the checks before this one have found what is wrong.
func (d *doctor) quota(ctx context.Context) Finding {
	var used, short []string
	for _, path := range []string{"/cgi-bin/ticket/getticket", "/card/get"} {
		q, err := d.Official.Quota(ctx, path)
		if err != nil {
			continue
		}
		used = append(used, fmt.Sprintf("%s %d of %d used", path, q.Used, q.DailyLimit))
		if q.Left < q.DailyLimit/10 {
			short = append(short, path)
		}
	}
	switch {
	case len(used) == 0:
		return skipped("", "WeChat does not report it")
	case len(short) > 0:
		return warning("find out what else calls WeChat for this account; the quota restarts at midnight in Beijing",
			"%s", strings.Join(used, ", "))
	}
	return ok("%s", strings.Join(used, ", "))
}
