package tickettest

import (
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ticket"
)

var copyTests = map[string]func(*testing.T, *suite){
	"nothing saved is not found": func(t *testing.T, s *suite) {
		s.wantNotFound()
		lease := s.acquire("a", long)
		s.wantNotFound()
		s.release(lease, long)
		s.wantNotFound()
	},
	"what is saved is loaded": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.save(lease, newValue(value, lease.Fence))
		rec := s.load()
		if rec.Value != value || rec.Fence != lease.Fence || rec.Lifetime != 2*time.Hour || rec.Rejected {
			t.Errorf("Load = %+v", rec)
		}
		if rec.Left > rec.Lifetime || rec.Left < rec.Lifetime-slack || rec.Age < 0 || rec.Age > slack {
			t.Errorf("Left = %v, Age = %v", rec.Left, rec.Age)
		}
	},
	"keys are independent": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.save(lease, newValue(value, lease.Fence))
		s.key += "2"
		s.wantNotFound()
		s.acquire("b", long)
	},
	"lifetime counts from its start": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.save(lease, ticket.FetchedValue{Value: value, Fence: lease.Fence, Start: -10 * time.Minute, Lifetime: time.Hour})
		if rec := s.load(); rec.Lifetime != time.Hour || rec.Left > 50*time.Minute || rec.Left < 50*time.Minute-slack {
			t.Errorf("Life = %v, Left = %v, want 1 h and 50 min", rec.Lifetime, rec.Left)
		}
	},
	"slow save does not lengthen the lifetime": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		start := time.Now()
		s.wait(short)
		s.save(lease, newValue(value, lease.Fence))
		passed := time.Since(start)
		if rec := s.load(); rec.Left > rec.Lifetime-passed+5*time.Millisecond {
			t.Errorf("Left = %v of %v, saved %v after the grant", rec.Left, rec.Lifetime, passed)
		}
	},
	"expired copy is still loaded": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.save(lease, ticket.FetchedValue{Value: value, Fence: lease.Fence, Start: -2 * time.Hour, Lifetime: time.Hour})
		if rec := s.load(); rec.Value != value || rec.Left > 0 {
			t.Errorf("Load = %+v, want the copy with nothing left", rec)
		}
	},
	"copy put back keeps its own fence": func(t *testing.T, s *suite) {
		lease, err := s.Store.Acquire(t.Context(), s.key, ticket.LeaseRequest{Owner: "a", FenceAbove: 56, TTL: long})
		if err != nil {
			t.Fatal(err)
		}
		s.save(lease, newValue(value, 55))
		if rec := s.load(); rec.Fence != 55 {
			t.Errorf("Fence = %d, want 55", rec.Fence)
		}
	},
	"save under an expired lease counts while no other owner has it": func(t *testing.T, s *suite) {
		lease := s.acquire("a", time.Millisecond)
		s.wait(short)
		s.save(lease, newValue(value, lease.Fence))
		if rec := s.load(); rec.Value != value {
			t.Errorf("Load = %+v", rec)
		}
	},
	"late save is refused before the next holder's": func(t *testing.T, s *suite) {
		late := s.acquire("a", short)
		s.takeOver("b", long)
		s.wantLeaseLost(late, "late")
		s.wantNotFound()
	},
	"late save is refused after the next holder's": func(t *testing.T, s *suite) {
		late := s.acquire("a", short)
		now := s.takeOver("b", long)
		s.save(now, newValue(value, now.Fence))
		s.wantLeaseLost(late, "late")
		s.release(now, 0)
		s.wantLeaseLost(late, "late")
		if rec := s.load(); rec.Value != value {
			t.Errorf("Load = %q: an older value overwrote the newer", rec.Value)
		}
	},
	"late save is refused after the value has expired": func(t *testing.T, s *suite) {
		late := s.acquire("a", short)
		now := s.takeOver("b", short)
		s.save(now, ticket.FetchedValue{Value: value, Fence: now.Fence, Start: -time.Hour, Lifetime: time.Minute})
		s.release(now, 0)
		s.wantLeaseLost(late, "late")
		s.invalidate(now.Fence)
		s.wantLeaseLost(late, "late")
	},
	"late save is refused in a back-off": func(t *testing.T, s *suite) {
		late := s.acquire("a", short)
		now := s.takeOver("b", long)
		s.release(now, long)
		s.wantLeaseLost(late, "late")
		s.wantNotFound()
	},
	"save after the release is refused": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.release(lease, 0)
		s.wantLeaseLost(lease, "late")
		s.wantNotFound()
	},
	// After a failover two owners may have the same fence.
	"save of another owner under the same fence is refused": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		lease.Owner = "b"
		s.wantLeaseLost(lease, "other")
		s.wantNotFound()
	},
	// The owner alone does not make a lease: only its latest counts.
	"save under an earlier lease of the same owner is refused": func(t *testing.T, s *suite) {
		first := s.acquire("a", short)
		s.takeOver("b", short)
		second := s.takeOver("a", short)
		s.wantLeaseLost(first, "of the first")
		s.wait(2 * short)
		third := s.acquire("a", long)
		s.wantLeaseLost(first, "of the first")
		s.wantLeaseLost(second, "of the second")
		s.wantNotFound()
		s.save(third, newValue(value, third.Fence))
		s.wantLeaseLost(second, "of the second")
		if rec := s.load(); rec.Value != value {
			t.Errorf("Load = %q: an earlier lease overwrote the value", rec.Value)
		}
	},
	"release of an earlier lease of the same owner does nothing": func(t *testing.T, s *suite) {
		first := s.acquire("a", short)
		s.takeOver("b", short)
		second := s.takeOver("a", long)
		s.release(first, long)
		if held := s.wantHeld("c"); held.BackOff {
			t.Errorf("c gets %+v, want that a holds the lease", held)
		}
		s.save(second, newValue(value, second.Fence))
	},
	"save without a lease is refused": func(t *testing.T, s *suite) {
		s.wantLeaseLost(ticket.Lease{Key: s.key, Owner: "a", Fence: 1}, "none")
		s.wantNotFound()
	},
	"rejected copy is marked and kept": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.save(lease, newValue(value, lease.Fence))
		s.invalidate(lease.Fence)
		rec := s.load()
		if !rec.Rejected || rec.Value != value || rec.Fence != lease.Fence || rec.Left < rec.Lifetime-slack {
			t.Errorf("Load = %+v, want all kept and Rejected", rec)
		}
		s.save(lease, newValue("next", lease.Fence))
		if rec := s.load(); rec.Rejected || rec.Value != "next" {
			t.Errorf("Load = %+v, want the next copy in service", rec)
		}
	},
	"rejection of an older or newer copy does nothing": func(t *testing.T, s *suite) {
		s.invalidate(1) // nothing there
		s.wantNotFound()
		old := s.acquire("a", long)
		s.save(old, newValue("old", old.Fence))
		s.release(old, 0)
		now := s.acquire("b", long)
		s.save(now, newValue(value, now.Fence))
		s.invalidate(old.Fence)
		s.invalidate(now.Fence + 1)
		if rec := s.load(); rec.Rejected || rec.Value != value {
			t.Errorf("Load = %+v, want it untouched", rec)
		}
	},
	"rejection leaves the lease alone": func(t *testing.T, s *suite) {
		lease := s.acquire("a", long)
		s.save(lease, newValue(value, lease.Fence))
		s.invalidate(lease.Fence)
		if held := s.wantHeld("b"); held.BackOff {
			t.Errorf("b gets %+v, want that a holds the lease", held)
		}
		s.release(lease, 0)
		s.invalidate(lease.Fence)
		s.acquire("b", long)
	},
}
