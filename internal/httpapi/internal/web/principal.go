package web

import "context"

// Role is what the sender of a request may do.
type Role string

// The roles. A member of the shop has a session, on the public listener. On the
// operator's, the owner has the ADMIN_TOKEN; managers and cashiers are staff; a ticket
// reader is another service of the shop, which has the TICKET_TOKEN.
const (
	Member       Role = "member"
	Owner        Role = "owner"
	Manager      Role = "manager"
	Cashier      Role = "cashier"
	TicketReader Role = "ticket reader"
)

// Principal is the proven sender of a request to the operator's listener.
type Principal struct {
	Role Role
	// ID and Name are those of a person of the staff, and "owner" of the owner.
	ID, Name string
	// Console says that the request came through the console or the till.
	Console bool
	// Address is that of the client, or of a proxy that is not in TRUSTED_PROXIES.
	Address string
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
