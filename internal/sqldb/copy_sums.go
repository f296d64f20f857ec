package sqldb

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// CopySums are the sums of a table's rows. Two tables with the same rows, in any order,
// have the same sums.
type CopySums struct {
	Rows           int64
	Bonus, Balance int64 // of all member cards and of all entries; balance is in fen
	digest         [2]uint64
}

// summed has the columns of which CopySums has the sums.
var summed = map[string][2]string{"entry": {"add_bonus", "add_balance"}, "member_card": {"bonus", "balance"}}

// sums reads all rows.
func (e *copyEnd) sums(ctx context.Context, t copyTable) (sums CopySums, err error) {
	err = e.each(ctx, t, t.all(), func(row []any) bool { sums.add(t, row); return true },
		fmt.Sprintf("select %s from %s", t.list(t.all()), quoted(t.name)))
	return sums, err
}

func (s *CopySums) add(t copyTable, row []any) {
	b, columns := make([]byte, 0, 1024), summed[t.name]
	for i, value := range row {
		switch value := value.(type) {
		case nil:
			b = append(b, 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(value))
			switch t.columns[i].name {
			case columns[0]:
				s.Bonus += value
			case columns[1]:
				s.Balance += value
			}
		case string:
			b = append(binary.BigEndian.AppendUint64(append(b, 't'), uint64(len(value))), value...)
		}
	}
	hash := sha256.Sum256(b)
	s.Rows++
	for i := range s.digest {
		s.digest[i] += binary.BigEndian.Uint64(hash[8*i:])
	}
}
