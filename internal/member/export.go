package member

import (
	"context"
	"io"
	"strings"

	"github.com/addcard/addcard/internal/phone"
	"github.com/addcard/addcard/internal/sheet"
)

var header = []any{
	"member_id", "created_at", "openids", "unionids", "phone", "card_id", "code", "status", "membership_number", "bonus", "balance_fen",
	"custom_field1", "custom_field2", "custom_field3", "outer_str", "issued_at", "claimed_at", "activated_at",
}

// Export writes all members, to be opened with a spreadsheet: one line for each card,
// and one for a member without cards. It reads page by page, as Each does, and blocks
// on w.
func (s *Service) Export(ctx context.Context, w io.Writer, file sheet.File) error {
	return sheet.Write(w, file, func(row sheet.Row) error {
		if err := row(header...); err != nil {
			return err
		}
		return s.Each(ctx, func(p Person) error { return exportPerson(row, p) })
	})
}

func exportPerson(row sheet.Row, p Person) error {
	var openIDs, unionIDs []string
	for _, id := range p.Identities {
		openIDs = append(openIDs, id.OpenID)
		if id.UnionID != "" {
			unionIDs = append(unionIDs, id.UnionID)
		}
	}
	who := []any{p.ID, p.CreatedAt.UTC(), strings.Join(openIDs, " "), strings.Join(unionIDs, " "), phone.Short(p.Phone)}
	if len(p.Cards) == 0 {
		for range len(header) - len(who) {
			who = append(who, "")
		}
		return row(who...)
	}
	for _, c := range p.Cards {
		if err := row(append(who[:len(who):len(who)], sheet.Key(c.CardID), c.Code, sheet.Key(c.Status), c.MembershipNumber,
			c.Bonus, sheet.Fen(c.Balance),
			c.Fields[0], c.Fields[1], c.Fields[2], c.OuterStr,
			c.IssuedAt.UTC(), c.ClaimedAt.UTC(), c.ActivatedAt.UTC())...); err != nil {
			return err
		}
	}
	return nil
}
