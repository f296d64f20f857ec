package app

import (
	"context"
	"slices"

	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/member"
)

// Sealed counts the encrypted texts of one kind.
type Sealed struct {
	Kind     string   `json:"kind"`
	Texts    int      `json:"texts"`
	Changed  int      `json:"changed"`
	Unopened int      `json:"unopened"`       // those that no key opens
	Keys     []string `json:"keys,omitempty"` // the names of the keys that encrypted these
}

func (s *Sealed) add(unopened []string) {
	s.Unopened += len(unopened)
	for _, text := range unopened {
		if name := member.KeyName(text); !slices.Contains(s.Keys, name) {
			s.Keys = append(s.Keys, name)
		}
	}
}

// Reseal encrypts all texts with the first of DATA_KEYS, page by page, and calls report
// with the counts of a kind after each page. done is set after the last one. A text that
// is under that key already, or that no key opens, stays as it is; so Reseal may be
// repeated, and goes on where an earlier call ended. With look, it changes nothing. The
// deployment may be in use.
func (c *Core) Reseal(ctx context.Context, look bool, report func(s Sealed, done bool)) error {
	const page = 500
	kinds := map[member.SealedTable]string{
		member.FormTable: "forms", member.PhoneTable: "phone numbers", member.ImportedTable: "imported accounts",
	}
	for _, of := range append(member.Sealings(), importer.Sealing()) {
		count := Sealed{Kind: kinds[of.Table]}
		for after, first := "", true; first || after != ""; first = false {
			done, err := c.Members.Reseal(ctx, of, after, page, look)
			if err != nil {
				return err
			}
			after = done.Last
			count.Texts, count.Changed = count.Texts+done.Rows, count.Changed+done.Changed
			count.add(done.Unopened)
			report(count, after == "")
		}
	}
	count := Sealed{Kind: "webhook endpoints"}
	endpoints, err := c.Webhooks.Endpoints(ctx)
	if err != nil {
		return err
	}
	count.Texts = len(endpoints)
	changed, unopened, err := c.Webhooks.Reseal(ctx, look)
	count.Changed = changed
	count.add(unopened)
	report(count, true)
	return err
}

// sealed implements doctor.Sealed.
type sealed struct{ core *Core }

// Unopened implements doctor.Sealed.
func (s sealed) Unopened(ctx context.Context) (n int, keys []string, err error) {
	err = s.core.Reseal(ctx, true, func(count Sealed, done bool) {
		if done {
			n, keys = n+count.Unopened, append(keys, count.Keys...)
		}
	})
	slices.Sort(keys)
	return n, slices.Compact(keys), err
}
