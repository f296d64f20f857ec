package web

import "context"

// Role is what the sender of a request to the operator's listener may do.
type Role string

// The roles. The owner has the ADMIN_TOKEN; managers and cashiers are staff; a
// ticket reader is another service of the shop, which has the TICKET_TOKEN.
const (
	Owner        Role = "owner"
	Manager      Role = "manager"
	Cashier      Role = "cashier"
	TicketReader Role = "ticket reader"
)

// Principal is the proven sender of a request to the operator's listener. Name is
// that of a member of the staff, or "owner".
type Principal struct {
	Role Role
	Name string
}

type principalKey struct{}

// WithPrincipal returns a context of a request that p has sent.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns who sent the request that ctx belongs to. It returns the zero
// Principal for a route that is open to all.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
