package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/staff"
)

// StaffPerson is a person of the staff, with what proves that it is this person.
type StaffPerson struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role" enum:"owner,manager,cashier"`
	CreatedAt time.Time  `json:"created_at,omitempty,omitzero" doc:"Absent for the owner."`
	Keys      []StaffKey `json:"keys" doc:"Tokens, sessions of the console, and links that were not used yet."`
}

// StaffKey is a token, a session or a link of a person.
type StaffKey struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" enum:"token,session,link"`
	Label     string    `json:"label,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitempty,omitzero" doc:"Absent for a token, which does not expire."`
	UsedAt    time.Time `json:"used_at,omitempty,omitzero" doc:"The last use, up to half a minute late."`
}

func staffPersonOf(p staff.Person) StaffPerson {
	return StaffPerson{p.ID, p.Name, string(p.Role), p.CreatedAt, web.List(p.Keys, staffKeyOf)}
}

func staffKeyOf(k staff.Key) StaffKey {
	return StaffKey{k.ID, string(k.Kind), k.Label, k.CreatedAt, k.ExpiresAt, k.UsedAt}
}

type staffOutput struct {
	Body struct {
		Staff []StaffPerson `json:"staff" doc:"The owner, then all others by name."`
	}
}

type addStaffInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" doc:"The person's, at most 64 bytes, without colons; the actor of entries and of the audit log."`
		Role string `json:"role" enum:"manager,cashier"`
	}
}

// Resolve checks what a schema cannot describe.
func (in *addStaffInput) Resolve(huma.Context) []error {
	if message := web.CheckText(in.Body.Name, staff.MaxName); message != "" {
		return []error{web.FieldError{Location: "body.name", Message: message}}
	}
	return nil
}

type addStaffOutput struct {
	Body struct {
		StaffPerson
		Link secretLink `json:"link"`
	}
}

// secretLink is the answer that shows a link, once.
type secretLink struct {
	Secret    string    `json:"secret" doc:"Of the link /login?link=SECRET of the console. It is shown only here and is good once."`
	ExpiresAt time.Time `json:"expires_at"`
}

type linkOutput struct{ Body secretLink }

type newTokenInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Label string `json:"label,omitempty" doc:"What the token is for, at most 64 bytes."`
	}
}

// Resolve checks what a schema cannot describe.
func (in *newTokenInput) Resolve(huma.Context) []error {
	if message := web.CheckText(in.Body.Label, staff.MaxName); message != "" {
		return []error{web.FieldError{Location: "body.label", Message: message}}
	}
	return nil
}

type newTokenOutput struct {
	Body struct {
		StaffKey
		Token string `json:"token" doc:"The bearer token. It is shown only here."`
	}
}

type keyInput struct {
	ID    string `path:"id" maxLength:"64"`
	KeyID string `path:"key_id" maxLength:"64"`
}

func (a *api) staffRoutes() {
	tags := []string{"staff"}
	web.Route(a.Listener, huma.Operation{
		OperationID: "staff", Method: http.MethodGet, Path: "/v1/staff", Tags: tags, Errors: []int{503},
		Summary: "The people of the shop, and what they sign in with",
	}, func(ctx context.Context, _ *web.Nothing) (*staffOutput, error) {
		people, err := a.Staff.People(ctx)
		var out staffOutput
		out.Body.Staff = web.List(people, staffPersonOf)
		return &out, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "addStaff", Method: http.MethodPost, Path: "/v1/staff", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Add a manager or a cashier", Errors: []int{400, 409, 413, 415, 422, 503},
		Description: "The answer has a link with which the person signs in to the console once, within half an hour.",
	}, a.addStaff)
	web.Route(a.Listener, huma.Operation{
		OperationID: "removeStaff", Method: http.MethodDelete, Path: "/v1/staff/{id}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Remove a person: all sessions and tokens end", Errors: []int{404, 503},
		Description: "At once on this replica and within a second on all. Entries and the audit log keep the name.",
	}, func(ctx context.Context, in *memberInput) (*web.Nothing, error) {
		_, err := a.Staff.Remove(ctx, in.ID)
		return nil, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "linkStaff", Method: http.MethodPost, Path: "/v1/staff/{id}/link", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "A new link to sign in with; the one before ends", Errors: []int{404, 503},
		Description: "The id of the owner is owner.",
	}, func(ctx context.Context, in *memberInput) (*linkOutput, error) {
		secret, k, err := a.Staff.NewLink(ctx, in.ID)
		return &linkOutput{secretLink{secret, k.ExpiresAt}}, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "newStaffToken", Method: http.MethodPost, Path: "/v1/staff/{id}/tokens", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "A token with which a program does what the person may do", Errors: []int{400, 404, 409, 413, 415, 422, 503},
	}, func(ctx context.Context, in *newTokenInput) (*newTokenOutput, error) {
		secret, k, err := a.Staff.NewToken(ctx, in.ID, in.Body.Label)
		var out newTokenOutput
		out.Body.StaffKey, out.Body.Token = staffKeyOf(k), secret
		return &out, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "revokeStaffKey", Method: http.MethodDelete, Path: "/v1/staff/{id}/keys/{key_id}", Tags: tags,
		DefaultStatus: http.StatusNoContent, Summary: "End a token, a session or a link", Errors: []int{404, 503},
	}, func(ctx context.Context, in *keyInput) (*web.Nothing, error) {
		return nil, a.Staff.Revoke(ctx, in.ID, in.KeyID)
	})
}

func (a *api) addStaff(ctx context.Context, in *addStaffInput) (*addStaffOutput, error) {
	p, err := a.Staff.Add(ctx, in.Body.Name, staff.Role(in.Body.Role))
	if err != nil {
		return nil, err
	}
	secret, k, err := a.Staff.NewLink(ctx, p.ID)
	var out addStaffOutput
	out.Body.StaffPerson, out.Body.Link = staffPersonOf(p), secretLink{secret, k.ExpiresAt}
	return &out, err
}
