package member

import (
	"cmp"
	"context"
	"io"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/sheet"
)

var header = []any{
	"member_id", "created_at", "openids", "unionids", "card_id", "code", "status", "membership_number", "bonus", "balance_fen",
	"custom_field1", "custom_field2", "custom_field3", "outer_str", "issued_at", "claimed_at", "activated_at",
}

// Export writes all members as CSV: one line for each card, and one for a member
// without cards. It begins with a byte order mark, without which spreadsheets
// misread Chinese, and no text is a formula. It reads page by page, as Each does, and
// blocks on w.
func (s *Service) Export(ctx context.Context, w io.Writer) error {
	out, err := sheet.NewFile(w)
	if err != nil {
		return err
	}
	if err := out.Row(header...); err != nil {
		return err
	}
	err = s.Each(ctx, func(p Person) error { return exportPerson(out, p) })
	return cmp.Or(err, out.Flush())
}

func exportPerson(out *sheet.Writer, p Person) error {
	var openIDs, unionIDs []string
	for _, id := range p.Identities {
		openIDs = append(openIDs, id.OpenID)
		if id.UnionID != "" {
			unionIDs = append(unionIDs, id.UnionID)
		}
	}
	who := []any{p.ID, formatTime(p.CreatedAt), strings.Join(openIDs, " "), strings.Join(unionIDs, " ")}
	if len(p.Cards) == 0 {
		for range len(header) - len(who) {
			who = append(who, "")
		}
		return out.Row(who...)
	}
	for _, c := range p.Cards {
		if err := out.Row(append(who[:len(who):len(who)], c.CardID, c.Code, string(c.Status), c.MembershipNumber, c.Bonus, c.Balance,
			c.Fields[0], c.Fields[1], c.Fields[2], c.OuterStr,
			formatTime(c.IssuedAt), formatTime(c.ClaimedAt), formatTime(c.ActivatedAt))...); err != nil {
			return err
		}
	}
	return nil
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
