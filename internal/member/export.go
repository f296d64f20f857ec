package member

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var csvHeader = []string{
	"member_id", "created_at", "openids", "unionids", "card_id", "code", "status", "membership_number", "bonus", "balance_fen",
	"custom_field1", "custom_field2", "custom_field3", "outer_str", "issued_at", "claimed_at", "activated_at",
}

// Export writes all members as CSV: one line for each card, and one for a member
// without cards. It begins with a byte order mark, without which spreadsheets
// misread Chinese, and no cell begins like a formula. It reads page by page, as Each
// does, and blocks on w.
func (s *Service) Export(ctx context.Context, w io.Writer) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	line := func(cells ...string) error {
		for i, cell := range cells {
			cells[i] = escapeFormula(cell)
		}
		return out.Write(cells)
	}
	if err := line(append([]string(nil), csvHeader...)...); err != nil {
		return err
	}
	err := s.Each(ctx, func(p Person) error {
		var openIDs, unionIDs []string
		for _, id := range p.Identities {
			openIDs = append(openIDs, id.OpenID)
			if id.UnionID != "" {
				unionIDs = append(unionIDs, id.UnionID)
			}
		}
		who := []string{p.ID, formatTime(p.CreatedAt), strings.Join(openIDs, " "), strings.Join(unionIDs, " ")}
		if len(p.Cards) == 0 {
			return line(append(who, make([]string, len(csvHeader)-len(who))...)...)
		}
		for _, c := range p.Cards {
			if err := line(append(who[:len(who):len(who)], c.CardID, c.Code, string(c.Status), c.MembershipNumber,
				strconv.FormatInt(c.Bonus, 10), strconv.FormatInt(c.Balance, 10), c.Fields[0], c.Fields[1], c.Fields[2], c.OuterStr,
				formatTime(c.IssuedAt), formatTime(c.ClaimedAt), formatTime(c.ActivatedAt))...); err != nil {
				return err
			}
		}
		return nil
	})
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return err
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// escapeFormula keeps a spreadsheet from running what a client chose, such as an
// outer_str. Spreadsheets for Chinese read the full-width signs as the others.
func escapeFormula(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}
