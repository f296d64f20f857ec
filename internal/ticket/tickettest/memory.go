package tickettest

import (
	"context"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/ticket"
)

// Memory is a [ticket.Store] in the memory of one process: for tests, and for several
// Sources that live in one program. Nothing survives the process. Make it with
// [NewMemory]; it is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	rows map[string]*memoryRow
}

type memoryRow struct {
	value    string
	issued   int64 // its fence; 0 = nothing saved yet
	life     time.Duration
	ends     time.Time
	savedAt  time.Time
	rejected bool

	owner    string // empty: free, or a back-off
	fence    int64
	failures int
	granted  time.Time
	until    time.Time
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
	if !ok || row.issued == 0 {
		return ticket.Record{}, ticket.ErrNotFound
	}
	return ticket.Record{
		Value:    row.value,
		Fence:    row.issued,
		Lifetime: row.life,
		Left:     time.Until(row.ends),
		Age:      time.Since(row.savedAt),
		Rejected: row.rejected,
	}, nil
}

// Acquire implements [ticket.Store].
func (m *Memory) Acquire(ctx context.Context, key string, claim ticket.LeaseRequest) (ticket.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return ticket.Lease{}, err
	}
	row, ok := m.rows[key]
	if !ok {
		row = &memoryRow{}
		m.rows[key] = row
	}
	now := time.Now()
	held := now.Before(row.until)
	if held && (row.owner == "" || row.owner != claim.Owner) {
		return ticket.Lease{}, &ticket.HeldError{For: row.until.Sub(now), BackOff: row.owner == ""}
	}
	if !held {
		row.fence = max(row.fence, claim.FenceAbove) + 1
	}
	row.owner, row.granted, row.until = claim.Owner, now, now.Add(claim.TTL)
	return ticket.Lease{Key: key, Owner: claim.Owner, Fence: row.fence, Failures: row.failures}, nil
}

// Save implements [ticket.Store].
func (m *Memory) Save(ctx context.Context, lease ticket.Lease, issue ticket.FetchedValue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	row, ok := m.ours(lease)
	if !ok {
		return ticket.ErrLeaseLost
	}
	row.value, row.issued, row.life, row.rejected = issue.Value, issue.Fence, issue.Lifetime, false
	row.ends, row.savedAt = row.granted.Add(issue.Start+issue.Lifetime), time.Now()
	return nil
}

// Release implements [ticket.Store].
func (m *Memory) Release(ctx context.Context, lease ticket.Lease, after time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if row, ok := m.ours(lease); ok {
		row.owner, row.until, row.failures = "", time.Now().Add(after), lease.Failures
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
	if row, ok := m.rows[key]; ok && row.issued == fence {
		row.rejected = true
	}
	return nil
}

// ours returns the row of a lease that is the latest issued and not given back.
func (m *Memory) ours(lease ticket.Lease) (*memoryRow, bool) {
	row, ok := m.rows[lease.Key]
	return row, ok && row.owner != "" && row.owner == lease.Owner && row.fence == lease.Fence
}
