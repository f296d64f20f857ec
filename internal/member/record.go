package member

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Table is what a table has of a member: rows with their values by column. A value is a
// string, an integer, a [time.Time], or JSON.
type Table struct {
	Name string
	Rows []map[string]any
}

// Records returns all that is stored of a member, as a person may ask for: the rows of
// every table, without hashes, without the openid of the other side of a gift, and
// without what only organises the work. Forms and the phone number are decrypted; what
// no key opens is left out, and the row says so. What was imported is decrypted by
// package importer. It returns ErrMemberUnknown for an unknown member.
func (s *Service) Records(ctx context.Context, memberID string) ([]Table, error) {
	if _, err := s.Person(ctx, memberID); err != nil {
		return nil, err
	}
	list, err := s.store.Records(ctx, memberID)
	if err != nil {
		return nil, err
	}
	for _, table := range list {
		for _, row := range table.Rows {
			s.openRow(table.Name, memberID, row)
			readable(row)
		}
	}
	return list, nil
}

// openRow replaces what is sealed in a row.
func (s *Service) openRow(table, memberID string, row map[string]any) {
	sealed, ok := row["sealed"].(string)
	if !ok {
		return
	}
	delete(row, "sealed")
	about, name := phoneContext(memberID), "phone"
	if table == "form" {
		cardID, _ := row["card_id"].(string)
		code, _ := row["code"].(string)
		about, name = sealContext(cardID, code), "answers"
	}
	if s.formKeys != nil {
		if plain, err := s.formKeys.Open(sealed, about); err == nil {
			row[name] = string(plain)
			return
		}
	}
	row["unreadable"] = "no key of DATA_KEYS opens it"
}

// readable turns the values of a row into what a person reads.
func readable(row map[string]any) {
	for column, value := range row {
		switch v := value.(type) {
		case int64:
			isTime := column == "at" || strings.HasSuffix(column, "_at")
			switch {
			case isTime && v == 0:
				delete(row, column)
			case isTime:
				row[column] = time.UnixMilli(v).UTC()
			}
		case string:
			if isJSON := strings.HasPrefix(v, "{") || strings.HasPrefix(v, "["); isJSON && json.Valid([]byte(v)) {
				row[column] = json.RawMessage(v)
			}
		}
	}
}
