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
	list, err := s.members.ImportedOf(ctx, memberID)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, list)
}

// Waiting lists up to n accounts, oldest first, that wait for their person and that key
// names; see [member.Service.Waiting].
func (s *Service) Waiting(ctx context.Context, key string, n int) ([]Account, error) {
	list, err := s.members.Waiting(ctx, key, n)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, list)
}

// open adds the names of their imports to accounts, and what only the operator sees.
func (s *Service) open(ctx context.Context, list []member.Imported) (accounts []Account, err error) {
	imports := map[string]Import{"": {}}
	for _, a := range list {
		i, known := imports[a.ImportID]
		if !known {
			if i, err = s.store.Import(ctx, a.ImportID); err != nil {
				return nil, err
			}
			imports[a.ImportID] = i
		}
		var personal sealed
		if s.keys != nil {
			if plain, err := s.keys.Open(a.Sealed, sealContext(a.CardID)); err == nil {
				_ = json.Unmarshal(plain, &personal)
			}
		}
		accounts = append(accounts, Account{a, i.Name, personal.Phone, personal.Name, personal.Note})
	}
	return accounts, nil
}
