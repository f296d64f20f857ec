package timeline_test

import (
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/timeline"
)

func TestWhy_SaysEachStateInBothLanguages(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.FixedZone("", 8*3600))
	push := func(kind, text string, in time.Duration) *timeline.Push {
		return &timeline.Push{Kind: kind, Attempts: 3, Text: text, NextAt: now.Add(in)}
	}
	const busy = "wechat: /card/membercard/activate: 45061 too often"
	for _, c := range []struct {
		state  timeline.State
		zh, en string
	}{
		{timeline.State{Lost: true}, "这个卡号已被另一位微信用户领取。", "The code was taken by another person."},
		{timeline.State{Status: member.Gifted, Situation: timeline.Situation{GivenAt: now}},
			"已于 2026-11-29 12:00 转赠给好友。", "It was given to a friend on 2026-11-29 12:00."},
		{timeline.State{Status: member.Gifted}, "已转赠给好友。", "It was given to a friend."},
		{timeline.State{Status: member.Unavailable}, "已被设为失效，不能再使用。", "It was made unavailable and cannot be used any more."},
		{timeline.State{Status: member.Unavailable, Situation: timeline.Situation{EndedAt: now, EndedBy: "Zoe"}},
			"Zoe 已于 2026-11-29 12:00 将其设为失效，不能再使用。",
			"Zoe made it unavailable on 2026-11-29 12:00; it cannot be used any more."},
		{timeline.State{Status: member.Deleted, DeletedAt: now}, "用户已于 2026-11-29 12:00 从卡包中删除。",
			"Its holder deleted it from the wallet on 2026-11-29 12:00."},
		{timeline.State{Status: member.Deleted}, "用户已从卡包中删除。", "Its holder deleted it from the wallet."},
		{timeline.State{Status: member.Issued}, "已生成卡号，用户还没有把卡放入卡包。", "A code was issued, but the card is not in the wallet yet."},
		{timeline.State{Status: member.Claimed, Situation: timeline.Situation{Waiting: push("activate", busy, 40*time.Second)}},
			"微信未能激活：" + busy + "；40 秒后重试（已失败 3 次）。",
			"WeChat did not activate it: " + busy + "; next try in 40 s (failed 3 times)."},
		{timeline.State{Status: member.Claimed, Form: true}, "已在卡包中，等待用户填写激活信息。",
			"It is in the wallet and waits for its holder to fill in the form."},
		{timeline.State{Status: member.Claimed, Form: true, Submitted: true, Situation: timeline.Situation{Waiting: push("look", "", 0)}},
			"已在卡包中，正在激活。", "It is in the wallet and is being activated."},
		{timeline.State{Status: member.Claimed, Situation: timeline.Situation{Parked: push("activate", "40056 invalid", 0)}},
			"微信拒绝激活，已停止重试：40056 invalid", "WeChat refused to activate it, and it is not tried again: 40056 invalid"},
		{timeline.State{Status: member.Claimed}, "已在卡包中，尚未激活。", "It is in the wallet and was not activated yet."},
		{timeline.State{Status: member.Active, FaceKnown: true, Situation: timeline.Situation{Waiting: push("entry", "-1 busy", 3*time.Hour)}},
			"已激活；有变动尚未同步到微信：-1 busy；3 小时后重试（已失败 3 次）。",
			"It is active; a change is not on its face yet: -1 busy; next try in 3 h (failed 3 times)."},
		{timeline.State{Status: member.Active, FaceKnown: true,
			Situation: timeline.Situation{Parked: push("entry", "45021 long", 0), Drift: true}},
			"已激活；微信拒绝了一次变动，已停止重试：45021 long", "It is active; WeChat refused a change, and it is not tried again: 45021 long"},
		{timeline.State{Status: member.Active, FaceKnown: true, Situation: timeline.Situation{Drift: true, Waiting: push("entry", "", 0)}},
			"已激活；微信自行修改了卡面数字，与账本不一致。", "It is active; WeChat has changed the figures on its face by itself."},
		{timeline.State{Status: member.Active, FaceKnown: true, Situation: timeline.Situation{Waiting: push("entry", "", 0)}},
			"已激活；有变动正在同步到微信。", "It is active; a change is being sent to WeChat."},
		{timeline.State{Status: member.Active}, "已激活；尚未读到微信卡面上的数字。", "It is active; the figures on its face were not read yet."},
		{timeline.State{Status: member.Active, FaceKnown: true}, "已激活，与微信一致。", "It is active and in step with WeChat."},
	} {
		c.state.Now = now
		for lang, want := range map[timeline.Lang]string{timeline.Chinese: c.zh, timeline.English: c.en} {
			if got := timeline.Why(c.state, lang); got != want {
				t.Errorf("%+v:\n got %s\nwant %s", c.state, got, want)
			}
		}
	}
}
