package admin

import (
	"errors"
	"testing"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// A till that has the ADMIN_TOKEN names its cashier; all others book under their own name.
func TestActor_OnlyTheOwnerNamesAnother(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		who         web.Principal
		given, want string
	}{
		{web.Principal{Role: web.Owner, Name: "owner"}, "", "owner"},
		{web.Principal{Role: web.Owner, Name: "owner"}, "amy", "amy"},
		{web.Principal{Role: web.Manager, Name: "meg"}, "", "meg"},
		{web.Principal{Role: web.Manager, Name: "meg"}, "meg", "meg"},
		{web.Principal{Role: web.Manager, Name: "meg"}, "amy", ""},
		{web.Principal{Role: web.Cashier, Name: "amy"}, "owner", ""},
		{web.Principal{Role: web.Cashier, Name: "amy"}, "amy ", ""},
		{web.Principal{}, "amy", ""},
	} {
		b := &Booking{Actor: c.given}
		got, err := b.actor(web.WithPrincipal(t.Context(), c.who), "body.")
		var wrong web.InputErrors
		if got != c.want || (err == nil) != (c.want != "") || err != nil && (!errors.As(err, &wrong) || wrong[0].Location != "body.actor") {
			t.Errorf("%+v as %q: got %q, %v, want %q", c.who, c.given, got, err, c.want)
		}
	}
}
