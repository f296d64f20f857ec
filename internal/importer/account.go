package importer

import (
	"context"
	"encoding/json"

	"github.com/addcard/addcard/internal/member"
)

// Account is an imported account as the operator sees it.
type Account struct {
	member.Imported

	ImportName        string
	Phone, Name, Note string // empty if no key opens them
}

// Accounts lists the accounts that are bound to a member, oldest first.
func (s *Service) Accounts(ctx context.Context, memberID string) ([]Account, error) {
	list, err := s.store.AccountsOf(ctx, memberID)
	if err != nil || s.keys == nil {
		return list, err
	}
	for i := range list {
		a := &list[i]
		var personal sealed
		if plain, err := s.keys.Open(a.Sealed, sealContext(a.CardID)); err == nil && json.Unmarshal(plain, &personal) == nil {
			a.Phone, a.Name, a.Note = personal.Phone, personal.Name, personal.Note
		}
	}
	return list, nil
}
