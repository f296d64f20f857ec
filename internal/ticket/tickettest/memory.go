package tickettest

import (
	"context"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/ticket"
)

// Memory is a [ticket.Store] in the memory of one process, for tests with
// several Sources in one program. Create it with [NewMemory]; it is safe for
// concurrent use.
type Memory struct {
	mu   sync.Mutex
	rows map[string]*memoryRow
}

type memoryRow struct {
	value      string
	valueFence int64 // 0 before the first Save
	lifetime   time.Duration
	expiresAt  time.Time
	savedAt    time.Time
	rejected   bool

	owner       string // empty when the lease is free
	fence       int64
	grantedAt   time.Time
	leaseEndsAt time.Time
	backOffs    map[string]backOff // by SecretID
}

type backOff struct {
	endsAt   time.Time
	failures int
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{rows: map[string]*memoryRow{}} }

// Load implements [ticket.Store].
func (m *Memory) Load(ctx context.Context, key string) (ticket.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return ticket.Record{}, err
	}
	row, ok := m.rows[key]
	if !ok || row.valueFence == 0 {
		return ticket.Record{}, ticket.ErrNotFound
	}
	return ticket.Record{
		Value:    row.value,
		Fence:    row.valueFence,
		Lifetime: row.lifetime,
		Left:     time.Until(row.expiresAt),
		Age:      time.Since(row.savedAt),
		Rejected: row.rejected,
	}, nil
}

// Acquire implements [ticket.Store].
func (m *Memory) Acquire(ctx context.Context, key string, req ticket.LeaseRequest) (ticket.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return ticket.Lease{}, err
	}
	row, ok := m.rows[key]
	if !ok {
		row = &memoryRow{backOffs: map[string]backOff{}}
		m.rows[key] = row
	}
	now, failed := time.Now(), row.backOffs[req.SecretID]
	if now.Before(failed.endsAt) {
		return ticket.Lease{}, &ticket.HeldError{For: failed.endsAt.Sub(now), BackOff: true}
	}
	held := row.owner != "" && now.Before(row.leaseEndsAt)
	if held && row.owner != req.Owner {
		return ticket.Lease{}, &ticket.HeldError{For: row.leaseEndsAt.Sub(now)}
	}
	if !held {
		row.fence = max(row.fence, req.FenceAbove) + 1
	}
	row.owner, row.grantedAt, row.leaseEndsAt = req.Owner, now, now.Add(req.TTL)
	return ticket.Lease{Key: key, Owner: req.Owner, SecretID: req.SecretID, Fence: row.fence, Failures: failed.failures}, nil
}

// Save implements [ticket.Store].
func (m *Memory) Save(ctx context.Context, lease ticket.Lease, v ticket.FetchedValue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	row, ok := m.held(lease)
	if !ok {
		return ticket.ErrLeaseLost
	}
	row.value, row.valueFence, row.lifetime, row.rejected = v.Value, v.Fence, v.Lifetime, false
	row.expiresAt, row.savedAt = row.grantedAt.Add(v.Start+v.Lifetime), time.Now()
	return nil
}

// Release implements [ticket.Store].
func (m *Memory) Release(ctx context.Context, lease ticket.Lease, after time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if row, ok := m.held(lease); ok {
		row.owner = ""
		row.backOffs[lease.SecretID] = backOff{time.Now().Add(after), lease.Failures}
	}
	return nil
}

// Invalidate implements [ticket.Store].
func (m *Memory) Invalidate(ctx context.Context, key string, fence int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if row, ok := m.rows[key]; ok && row.valueFence == fence {
		row.rejected = true
	}
	return nil
}

// EndLease ends the lease of key, as if it had expired.
func (m *Memory) EndLease(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if row, ok := m.rows[key]; ok {
		row.leaseEndsAt = time.Now()
	}
}

// held returns the row of lease and reports whether lease is the latest that
// was granted and was not released.
func (m *Memory) held(lease ticket.Lease) (*memoryRow, bool) {
	row, ok := m.rows[lease.Key]
	return row, ok && row.owner != "" && row.owner == lease.Owner && row.fence == lease.Fence
}
