package console

import (
	"errors"
	"net/http"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/staff"
)

// loginPage says how to get in. With the secret of a link it shows a button: a program
// that only follows links, such as the preview of a chat, must not use it up.
func (c *Console) loginPage(r *request) error {
	return r.render(http.StatusOK, "login", map[string]any{"Link": r.Query("link")})
}

// login uses up a link and begins a session.
func (c *Console) login(r *request) error {
	secret, who, err := c.sessions.SignIn(r.Request.Context(), r.PostForm("link"))
	if errors.Is(err, staff.ErrUnknown) {
		return r.render(http.StatusUnauthorized, "login", map[string]any{"Wrong": true})
	}
	if err != nil {
		return c.asProblem(r, err)
	}
	web.SetSession(r.Writer, secret, c.proxies.Secure(r.Request), staff.SessionLife)
	if who.Role == staff.Cashier {
		return r.back("/till")
	}
	return r.back("/")
}

// logout ends the session, also if it has ended before.
func (c *Console) logout(r *request) error {
	secure := c.proxies.Secure(r.Request)
	err := c.sessions.SignOut(r.Request.Context(), web.Session(r.Request, secure))
	if err != nil && !errors.Is(err, staff.ErrUnknown) && !errors.Is(err, staff.ErrNotFound) {
		return c.asProblem(r, err)
	}
	web.SetSession(r.Writer, "", secure, 0)
	return r.back("/login")
}

// asProblem returns an error of a service as the API would answer it.
func (c *Console) asProblem(r *request, err error) error {
	p := c.api.Problem(r.Request.Context(), err)
	return &problem{Status: p.Status, Code: p.Code, Detail: p.Detail}
}

// language keeps the language of the pages for a year.
func (c *Console) language(r *request) error {
	if lang := r.PostForm("lang"); c.languages[lang] != nil {
		http.SetCookie(r.Writer, &http.Cookie{
			Name: "lang", Value: lang, Path: c.prefix + "/", MaxAge: 365 * 24 * 3600, HttpOnly: true,
			Secure: c.proxies.Secure(r.Request), SameSite: http.SameSiteLaxMode,
		})
	}
	return r.back("/")
}
