package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/testing/seed"
)

// At any time of the day, sales of today are spread over the hours that have passed, and
// an order has the day of its entry in its number.
func TestDemo_TodayIsSpreadOverItsHours(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 8*3600)
	for _, now := range []time.Time{
		time.Date(2026, 11, 30, 4, 54, 0, 0, zone), time.Date(2027, 1, 1, 18, 0, 0, 0, zone), time.Date(2027, 3, 1, 10, 0, 0, 0, zone),
	} {
		times := map[string]bool{}
		for _, c := range customers(now) {
			for _, e := range c.entries {
				if e.At.After(now) {
					t.Errorf("at %s there is an entry of %s", now, e.At)
				}
				if day, _, _ := strings.Cut(e.Order, "-"); day != e.At.Format("0102") {
					t.Errorf("order %s is of %s", e.Order, e.At)
				}
				if e.At.Format(time.DateOnly) == now.Format(time.DateOnly) {
					times[e.At.Format(time.TimeOnly)] = true
				}
			}
		}
		if len(times) < 10 {
			t.Errorf("at %s the entries of today have %d times", now, len(times))
		}
	}
}

// An order of this moment has the day of the shop, not that of UTC.
func TestDemo_OrdersHaveTheDayOfTheShop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where it is the first of January, 2000, in UTC
		d := &demo{sandbox: &sandbox{zone: time.FixedZone("", -8*3600)}}
		if order, _ := d.sale(seed.Life{}, 1)["order"].(string); !strings.HasPrefix(order, "1231-") {
			t.Errorf("the order is %q", order)
		}
	})
}
