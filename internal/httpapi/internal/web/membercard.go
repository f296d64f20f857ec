package web

import (
	"time"

	"github.com/addcard/addcard/internal/member"
)

// MemberCard is a card of a member as both APIs show it, so the holder sees every
// field of it.
type MemberCard struct {
	CardID           string            `json:"card_id"`
	Code             string            `json:"code,omitempty" doc:"For wx.openCard; present once the card was claimed."`
	Status           string            `json:"status" enum:"issued,claimed,active,deleted,gifted,unavailable"`
	MembershipNumber string            `json:"membership_number,omitempty"`
	Bonus            int64             `json:"bonus" doc:"Points."`
	Balance          int64             `json:"balance" doc:"Fen (分)."`
	Fields           map[string]string `json:"fields,omitempty" doc:"custom_field1 to custom_field3, as far as they are set."`
	OuterStr         string            `json:"outer_str,omitempty" doc:"The channel through which the card was taken."`
	ClaimedAt        time.Time         `json:"claimed_at,omitempty,omitzero"`
	ActivatedAt      time.Time         `json:"activated_at,omitempty,omitzero"`
}

// MemberCardOf returns c as its holder sees it: an issued card is in no wallet
// yet, so it has no code to open.
func MemberCardOf(c member.Card) MemberCard {
	out := MemberCard{
		CardID: c.CardID, Code: c.Code, Status: string(c.Status), MembershipNumber: c.MembershipNumber, Fields: map[string]string{},
		Bonus: c.Bonus, Balance: c.Balance, OuterStr: c.OuterStr, ClaimedAt: c.ClaimedAt, ActivatedAt: c.ActivatedAt,
	}
	if c.Status == member.Issued {
		out.Code = ""
	}
	for i, v := range c.Fields {
		if v != "" {
			out.Fields["custom_field"+string(rune('1'+i))] = v
		}
	}
	return out
}
