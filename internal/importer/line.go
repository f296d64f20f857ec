package importer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/phone"
	"github.com/addcard/addcard/internal/sheet"
)

// The columns of a file. colKey identifies a line; without it a line's first mark does.
const (
	colKey     = "key"
	colPhone   = member.MarkPhone
	colCode    = member.MarkCode
	colUnionID = member.MarkUnionID
	colOpenID  = member.MarkOpenID
	colNumber  = "membership_number"
	colBonus   = "bonus"
	colBalance = "balance"
	colField   = "custom_field" // and 1 to 3
	colName    = "name"
	colNote    = "note"
)

// Columns are the columns that an import reads.
var Columns = []sheet.Column{
	{Name: colKey, Also: []string{"主键", "原系统编号"}},
	{Name: colPhone, Also: []string{"手机号", "手机", "手机号码", "电话", "电话号码", "联系电话", "mobile", "tel", "phone number"}},
	{Name: colCode, Also: []string{"卡号", "会员卡号", "券码", "卡券 code", "card code"}},
	{Name: colUnionID},
	{Name: colOpenID},
	{Name: colNumber, Also: []string{"会员号", "会员编号", "会员号码", "member number", "member no"}},
	{Name: colBonus, Also: []string{"积分", "当前积分", "剩余积分", "可用积分", "points"}},
	{Name: colBalance, Also: []string{"余额", "储值余额", "账户余额", "卡内余额", "剩余金额", "储值"}},
	{Name: colField + "1", Also: []string{"自定义1", "自定义字段1"}},
	{Name: colField + "2", Also: []string{"自定义2", "自定义字段2"}},
	{Name: colField + "3", Also: []string{"自定义3", "自定义字段3"}},
	{Name: colName, Also: []string{"姓名", "会员姓名", "名字"}},
	{Name: colNote, Also: []string{"备注", "说明", "remark"}},
}

const (
	// mostLines is the largest number of lines of a file: all are in memory.
	mostLines = 500_000
	allLines  = mostLines + 1
)

// line is a line that was read and checked. The first of its keys and digests are those
// that are stored; the others are what earlier DATA_KEYS made of it.
type line struct {
	number   int
	account  member.Imported
	phones   []string
	keys     []string
	digests  []string
	headings map[string]string
	refusal  *LineError
	known    bool      // it was imported before; only a card that is in a wallet says so
	adoption *Adoption // of a card that is in a wallet
}

// LineError says why a line cannot be imported.
type LineError struct {
	Column string // the name of the column, or its heading; "" for the whole line
	Reason string
}

func (e *LineError) Error() string { return fmt.Sprintf("%s %s", e.Column, e.Reason) }

func (l line) refused() Result {
	column := cmp.Or(l.headings[l.refusal.Column], l.refusal.Column)
	return Result{Line: l.number, Outcome: Refused, Column: column, Reason: l.refusal.Reason}
}

// private are the columns with personal data that no one but the operator needs.
var private = []string{colPhone, colName, colNote}

// read reads and checks the first lines of a file.
func (s *Service) read(ctx context.Context, file io.ReaderAt, size int64, o Options, first int) ([]line, error) {
	card, err := s.cards.Card(ctx, o.CardID)
	if err != nil {
		return nil, err
	}
	r, err := sheet.NewReader(file, size, sheet.Options{Columns: Columns, Headings: o.Headings, Sheet: o.Sheet})
	if err != nil {
		return nil, err
	}
	c := checker{s: s, o: o, card: card, seen: map[string]int{}}
	var lines []line
	for ctx.Err() == nil && len(lines) < first {
		row, err := r.Next()
		var broken *sheet.LineError
		switch {
		case errors.Is(err, io.EOF):
			if len(lines) == 0 {
				return nil, &sheet.FileError{Reason: "has no lines"}
			}
			return lines, nil
		case errors.As(err, &broken):
			lines = append(lines, line{number: broken.Line, refusal: &LineError{columnOf(broken), broken.Reason}})
			continue
		case err != nil:
			return nil, err
		case len(lines) == mostLines:
			return nil, &sheet.FileError{Line: row.Number, Reason: fmt.Sprintf("is one more than the %d lines that one file may have", mostLines)}
		}
		if !c.knows(row) {
			if c.headings = r.Headings(); s.keys == nil && slices.ContainsFunc(private, c.has) {
				return nil, ErrNoKeys
			}
		}
		l, err := c.line(row)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, context.Cause(ctx)
}

// columnOf returns the heading of the column with an error, and the name of its cell.
func columnOf(err *sheet.LineError) string {
	if err.Cell == "" {
		return err.Column
	}
	return err.Column + " (" + err.Cell + ")"
}

// checker checks the lines of a file.
type checker struct {
	s        *Service
	o        Options
	card     Card
	headings map[string]string // by the names of the columns
	seen     map[string]int    // the lines of marks and keys
}

func (c *checker) has(column string) bool { return c.headings[column] != "" }

// knows reports whether the headings of a line are known: those of JSON lines come one
// by one, and all lines share what is known.
func (c *checker) knows(row sheet.Line) bool {
	for column := range row.Values {
		if !c.has(column) {
			return false
		}
	}
	return true
}

// line checks a line. An error is about the whole file.
func (c *checker) line(row sheet.Line) (line, error) {
	l := line{number: row.Number, headings: c.headings}
	v := values{texts: row.Values}
	unit, err := c.unit(row)
	if err != nil {
		return l, err
	}
	a := &l.account
	a.CardID = c.o.CardID
	a.Code, a.UnionID, a.OpenID = v.mark(colCode, 20, ""), v.mark(colUnionID, 64, "_-"), v.mark(colOpenID, 64, "_-")
	number := v.phone()
	a.MembershipNumber = v.text(colNumber, 64)
	a.Bonus = v.amount(colBonus, 0)
	a.Balance = v.amount(colBalance, map[Unit]int{Yuan: 2}[unit])
	for i := range a.Fields {
		a.Fields[i] = v.text(colField+strconv.Itoa(i+1), member.MaxField)
	}
	name, note, key := v.text(colName, 120), v.text(colNote, 600), v.text(colKey, 200)
	switch {
	case a.Bonus != 0 && !c.card.Bonus:
		v.refuse(colBonus, "is on a card without points")
	case a.Balance != 0 && !c.card.Balance:
		v.refuse(colBalance, "is on a card without stored value")
	}
	c.checkMarks(&v, row.Number, number, key, a)
	if v.refusal != nil {
		l.refusal = v.refusal
		return l, nil
	}
	return l, c.seal(&l, number, name, note, key)
}

// unit returns the unit of the column balance.
func (c *checker) unit(row sheet.Line) (Unit, error) {
	heading := strings.ToLower(c.headings[colBalance])
	switch {
	case c.o.Unit != "" || row.Values[colBalance] == "":
		return c.o.Unit, nil
	case strings.Contains(heading, "元") || strings.Contains(heading, "yuan"):
		return Yuan, nil
	case strings.Contains(heading, "分") || strings.Trim(heading, " *") == colBalance || strings.Contains(heading, "fen"):
		return Fen, nil
	}
	return "", &sheet.FileError{Unclear: true, Reason: fmt.Sprintf(
		"has a column %s, and does not say whether it is in yuan or in fen: say so, or write 余额（元） as the heading", c.headings[colBalance])}
}

// checkMarks refuses a line without a mark, and one with a mark or the key of another.
func (c *checker) checkMarks(v *values, number int, phone, key string, a *member.Imported) {
	marks := map[string]string{colKey: key, colCode: a.Code, colPhone: phone, colUnionID: a.UnionID, colOpenID: a.OpenID}
	if phone == "" && a.Code == "" && a.UnionID == "" && a.OpenID == "" {
		v.refuse("", "names no person: phone, code, unionid or openid is required")
	}
	for _, column := range slices.Sorted(maps.Keys(marks)) {
		mark := column + " " + marks[column]
		if first := c.seen[mark]; first != 0 && marks[column] != "" {
			v.refuse(column, fmt.Sprintf("is that of line %d", first))
		}
	}
	if v.refusal != nil {
		return
	}
	for column, text := range marks {
		c.seen[column+" "+text] = number
	}
}

// sealed is what only the operator sees of an imported account.
type sealed struct {
	Phone string `json:"phone,omitempty"`
	Name  string `json:"name,omitempty"`
	Note  string `json:"note,omitempty"`
}

// seal sets the keys and digests of a line, and encrypts what is personal.
func (c *checker) seal(l *line, number, name, note, key string) error {
	a := &l.account
	personal := sealed{number, name, note}
	content, err := json.Marshal([]any{
		number, a.Code, a.UnionID, a.OpenID, a.MembershipNumber, a.Bonus, a.Balance, a.Fields, name, note,
	})
	if err != nil {
		return fmt.Errorf("encode line %d: %w", l.number, err)
	}
	for _, mark := range [][2]string{
		{colKey, key}, {colCode, a.Code}, {colPhone, number}, {colUnionID, a.UnionID}, {colOpenID, a.OpenID},
	} {
		if mark[1] != "" {
			l.keys, l.digests = c.s.hashes("import key "+mark[0]+" "+mark[1]), c.s.hashes("import line "+string(content))
			break
		}
	}
	if number != "" {
		l.phones = c.s.keys.Indexes(phone.Short(number))
		a.Phone = c.s.keys.Index(phone.Short(number))
	}
	if personal == (sealed{}) {
		return nil
	}
	plain, err := json.Marshal(personal)
	if err != nil {
		return fmt.Errorf("encode line %d: %w", l.number, err)
	}
	a.Sealed = c.s.keys.Seal(plain, sealContext(a.CardID))
	return nil
}

// sealContext is what the personal data of an account is bound to.
func sealContext(cardID string) string { return "imported account of card " + cardID }

// Sealing says how the personal data of accounts is encrypted.
func Sealing() member.Sealing {
	return member.Sealing{
		Table: member.ImportedTable,
		About: func(r member.SealedRow) string { return sealContext(r.CardID) },
		Number: func(plain []byte) (string, error) {
			var personal sealed
			if err := json.Unmarshal(plain, &personal); err != nil {
				return "", fmt.Errorf("decode an account: %w", err)
			}
			return phone.Short(personal.Phone), nil
		},
	}
}

// hashes returns what is stored instead of a text, and what may have been stored.
func (s *Service) hashes(text string) []string {
	sum := sha256.Sum256([]byte(text))
	plain := hex.EncodeToString(sum[:])
	if s.keys == nil {
		return []string{plain}
	}
	return append(s.keys.Indexes(text), plain)
}
