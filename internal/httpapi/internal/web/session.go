package web

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// The names of the cookie with the session of a person in the console. A browser takes
// the first only over TLS, and sends it to no other host.
const (
	secureCookie = "__Host-addcard"
	plainCookie  = "addcard"
)

// Secure reports whether the client's connection is encrypted, up to this server or to
// a trusted proxy that says so.
func (p Proxies) Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, _ := parseHop(r.RemoteAddr)
	schemes := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
	return p.Contain(peer) && strings.EqualFold(strings.TrimSpace(schemes[len(schemes)-1]), "https")
}

// Session returns the secret of the console's session that r has, or "".
func Session(r *http.Request, secure bool) string {
	cookie, err := r.Cookie(cookieName(secure))
	if err != nil || len(cookie.Value) > maxToken {
		return ""
	}
	return cookie.Value
}

func cookieName(secure bool) string {
	if secure {
		return secureCookie
	}
	return plainCookie
}

// SetSession has the browser keep the secret of a session for life, or forget it if the
// secret is empty.
func SetSession(w http.ResponseWriter, secret string, secure bool, life time.Duration) {
	age := int(life.Seconds())
	if secret == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(secure), Value: secret, Path: "/", MaxAge: age, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	})
}

// Within returns a context for a call of the API in this process by the request that
// ctx belongs to. It has the end of ctx and its Principal, and no other value: the call
// has a request ID and limits of its own.
func Within(ctx context.Context) context.Context { return within{ctx} }

type within struct{ context.Context }

// Value implements context.Context.
func (w within) Value(key any) any {
	if _, ok := key.(principalKey); ok {
		return w.Context.Value(key)
	}
	return nil
}
