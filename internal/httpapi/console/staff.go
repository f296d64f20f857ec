package console

import (
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/addcard/addcard/internal/staff"
)

// colleague is a person as GET /v1/staff shows it.
type colleague struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	CreatedAt time.Time `json:"created_at"`
	Keys      []key     `json:"keys"` // oldest first
}

// key is a token, a session or a link.
type key struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Label     string    `json:"label"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	UsedAt    time.Time `json:"used_at"`
}

// IsOwner reports whether it is the owner, who cannot be removed and has no tokens.
func (p colleague) IsOwner() bool { return p.ID == staff.OwnerID }

// UsedAt returns when the person has last used a key, or the zero time.
func (p colleague) UsedAt() (last time.Time) {
	for _, k := range p.Keys {
		if k.UsedAt.After(last) {
			last = k.UsedAt
		}
	}
	return last
}

// Newest returns the ID of the newest key of a kind, or "".
func (p colleague) Newest(kind staff.Kind) (id string) {
	for _, k := range p.Keys {
		if k.Kind == string(kind) {
			id = k.ID
		}
	}
	return id
}

// staff lists the people of the shop.
func (c *Console) staff(r *request) error {
	var data struct {
		Staff []colleague `json:"staff"`
	}
	if err := r.get("/v1/staff", nil, &data); err != nil {
		return err
	}
	r.offer(http.MethodPost, "/v1/staff", "", map[string]string{"name": "小王", "role": "cashier"})
	r.offer(http.MethodPost, "/v1/staff/ID/link", "", nil)
	r.offer(http.MethodPost, "/v1/staff/ID/tokens", "", map[string]string{"label": "till 1"})
	r.offer(http.MethodDelete, "/v1/staff/ID/keys/KEY", "", nil)
	r.offer(http.MethodDelete, "/v1/staff/ID", "", nil)
	return r.render(http.StatusOK, "staff", data)
}

// shown is the page that shows a secret. There is no other copy of it: the server keeps
// a hash, and the page is not stored.
type shown struct {
	Name, Text string
	ExpiresAt  time.Time // of a link; zero for a token
	QR         qrCode    // of a link
	Local      bool      // the link works on this machine only
}

// newLink is an answer with a link.
type newLink struct {
	Secret    string    `json:"secret"`
	ExpiresAt time.Time `json:"expires_at"`
}

// addStaff adds a person, and shows the link to sign in with.
func (c *Console) addStaff(r *request) error {
	var made struct {
		Name string  `json:"name"`
		Link newLink `json:"link"`
	}
	body := map[string]string{"name": r.text("name"), "role": r.PostForm("role")}
	if err := r.call(http.MethodPost, "/v1/staff", nil, body, &made); err != nil {
		return r.again(err, c.staff)
	}
	return r.showLink(made.Name, made.Link)
}

// linkStaff makes and shows a new link.
func (c *Console) linkStaff(r *request) error {
	p, err := r.sentOnce(staff.Link)
	if err != nil {
		return r.again(err, c.staff)
	}
	var made newLink
	if err := r.call(http.MethodPost, colleaguePath(p.ID)+"/link", nil, nil, &made); err != nil {
		return r.again(err, c.staff)
	}
	return r.showLink(p.Name, made)
}

// newStaffToken makes and shows a token.
func (c *Console) newStaffToken(r *request) error {
	p, err := r.sentOnce(staff.Token)
	if err != nil {
		return r.again(err, c.staff)
	}
	var made struct {
		Token string `json:"token"`
	}
	body := map[string]string{"label": r.text("label")}
	if err := r.call(http.MethodPost, colleaguePath(p.ID)+"/tokens", nil, body, &made); err != nil {
		return r.again(err, c.staff)
	}
	return r.render(http.StatusOK, "secret", shown{Name: p.Name, Text: made.Token})
}

// sentOnce returns the person that a form is about. The form names the newest key of
// the person when its page was made. If there is another one, the form was sent before,
// perhaps because the page with a secret was loaded again.
func (r *request) sentOnce(kind staff.Kind) (colleague, error) {
	var list struct {
		Staff []colleague `json:"staff"`
	}
	if err := r.get("/v1/staff", nil, &list); err != nil {
		return colleague{}, err
	}
	for _, p := range list.Staff {
		if p.ID != r.Param("id") {
			continue
		}
		if p.Newest(kind) != r.PostForm("newest") {
			return p, &problem{Status: http.StatusConflict, Code: "page_is_old"}
		}
		return p, nil
	}
	return colleague{}, &problem{Status: http.StatusNotFound, Code: "staff_not_found"}
}

// showLink shows a link, also as a QR code for another device. Its address is the one
// at which the browser has found this page.
func (r *request) showLink(name string, l newLink) error {
	scheme := "http"
	if r.console.proxies.Secure(r.Request) {
		scheme = "https"
	}
	address := url.URL{Scheme: scheme, Host: r.Request.Host, Path: r.console.prefix + "/login"}
	address.RawQuery = url.Values{"link": {l.Secret}}.Encode()
	code, err := drawQR(address.String())
	if err != nil {
		return err
	}
	local := address.Hostname() == "localhost" || net.ParseIP(address.Hostname()).IsLoopback()
	return r.render(http.StatusOK, "secret", shown{name, address.String(), l.ExpiresAt, code, local})
}

func colleaguePath(id string) string { return "/v1/staff/" + url.PathEscape(id) }

// revokeKey ends a token, a session or a link.
func (c *Console) revokeKey(r *request) error {
	path := colleaguePath(r.Param("id")) + "/keys/" + url.PathEscape(r.PostForm("key_id"))
	if err := r.call(http.MethodDelete, path, nil, nil, nil); err != nil {
		return r.again(err, c.staff)
	}
	return r.back("/staff?done=key_revoked")
}

// removeStaff removes a person.
func (c *Console) removeStaff(r *request) error {
	if err := r.call(http.MethodDelete, colleaguePath(r.Param("id")), nil, nil, nil); err != nil {
		return r.again(err, c.staff)
	}
	return r.back("/staff?done=staff_removed")
}
