package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/addcard/addcard/internal/testing/seed"
)

// demoSeed is the seed of all that is random in the demo data: a run differs from another
// only in its codes, ids and times of day.
const demoSeed = 1

const (
	demoDays    = 30
	demoMembers = 48
)

// The names in the demo data.
var (
	demoChannels = []string{"前台海报", "前台海报", "小程序首页", "小程序首页", "公众号菜单", "外卖单", ""}
	demoStores   = []string{"人民路店", "人民路店", "火车站店"}
	demoPeople   = []struct{ Name, Role string }{{"小王", "cashier"}, {"陈店长", "manager"}}
)

// customer is one member of the demo data.
type customer struct {
	user, channel string
	form          bool // takes the card with a form
	joined        time.Time
	// What the customer does not do: take the card whose code was issued, fill in its form.
	undecided, waits bool
	entries          []seed.PastEntry

	code string // of the card, once it is known
}

// customers returns the members of the demo data, with what they have done until now.
func customers(now time.Time) []*customer {
	random := rand.New(rand.NewPCG(demoSeed, 0))
	all := make([]*customer, demoMembers)
	order := 0
	for i := range all {
		c := &customer{user: fmt.Sprintf("guest%02d", i+1), channel: demoChannels[random.IntN(len(demoChannels))]}
		ago := 1 + int(float64(demoDays-1)*random.Float64()*random.Float64()*1.2)%(demoDays-1) // more of them lately
		c.joined = opening(now.AddDate(0, 0, -ago)).Add(time.Duration(random.IntN(9*3600)) * time.Second)
		c.form, c.undecided = i%6 == 5, i%7 == 3
		c.waits = i == 5
		if !c.undecided && !c.form {
			c.entries = purchases(random, c.joined, now, &order)
		}
		all[i] = c
	}
	return all
}

// opening returns when the shop opens on a day.
func opening(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 10, 0, 0, 0, day.Location())
}

// today returns a time of today that has passed, also if the shop has not opened yet.
func today(now time.Time, part float64) time.Time {
	since := opening(now)
	if !since.Before(now) {
		since = since.Add(-10 * time.Hour) // midnight
	}
	return since.Add(time.Duration(part * float64(now.Sub(since))))
}

// purchases returns what a customer has bought since a time: points for each purchase, a
// charged balance now and then, and both spent.
func purchases(random *rand.Rand, since, now time.Time, order *int) (list []seed.PastEntry) {
	var bonus, balance int64
	for day := since; ; {
		day = day.AddDate(0, 0, 1+random.IntN(3))
		at := opening(day).Add(time.Duration(random.IntN(11*3600)) * time.Second)
		if day.YearDay() == now.YearDay() {
			at = today(now, random.Float64())
		}
		if at.After(now) {
			return list
		}
		*order++
		yuan := 10 + random.Int64N(190)
		e := seed.PastEntry{
			At: at, Actor: demoPeople[random.IntN(len(demoPeople))].Name, Store: demoStores[random.IntN(len(demoStores))],
			Order: fmt.Sprintf("%s-%04d", at.Format("0102"), *order),
		}
		switch kind := random.IntN(6); {
		case kind == 0 && bonus >= 100:
			e.AddBonus, e.Record = -100, "兑换一杯咖啡"
		case kind == 1:
			e.AddBalance, e.Record = 20000, "充值"
		case kind == 2 && balance > 0:
			e.AddBalance, e.Record = -min(balance, 100*yuan), "余额支付"
		default:
			e.AddBonus, e.Record = yuan, fmt.Sprintf("消费%d元", yuan)
		}
		bonus, balance = bonus+e.AddBonus, balance+e.AddBalance
		list = append(list, e)
	}
}
