package web

import (
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// Access is who may use a route. The zero Access is for nobody.
type Access struct {
	open  bool // the route needs no proof
	roles []Role
	// recorded says that the audit log has each request.
	recorded bool
}

// Open reports whether the route needs no proof.
func (a Access) Open() bool { return a.open }

// Allows reports whether a role may use the route.
func (a Access) Allows(r Role) bool { return slices.Contains(a.roles, r) }

// Who may use a route.
var (
	everyone      = Access{open: true}
	members       = Access{roles: []Role{Member}}
	ticketReaders = Access{roles: []Role{Owner, TicketReader}}
	onlyOwner     = Access{roles: []Role{Owner}}
	managers      = Access{roles: []Role{Owner, Manager}}
	allStaff      = Access{roles: []Role{Owner, Manager, Cashier}}
)

// and the audit log has each request.
func (a Access) andRecorded() Access {
	a.recorded = true
	return a
}

// accessTable is the one list of who may use which route. A listener that has a route
// without a row does not start. What changes something is recorded, but for entries,
// which are in the ledger with their actor; so is what takes personal data out. An import
// gives points and stored value to many at once, which a cashier's limits forbid.
var accessTable = map[Audience]map[string]Access{
	Public: {
		"GET /":                 everyone,
		"GET /home.css":         everyone,
		"GET /wechat/callback":  everyone, // with WeChat's signature
		"POST /wechat/callback": everyone, // with WeChat's signature
		"POST /v1/session":      everyone, // with a code of wx.login
		"DELETE /v1/session":    members,
		"GET /v1/me":            members,
		"POST /v1/me/phone":     members,
		"GET /v1/me/cards/{card_id}/codes/{code}/entries": members,
		"POST /v1/card-ext":                 members,
		"GET /v1/cards/{card_id}":           everyone,
		"GET /v1/cards/{card_id}/open-card": members,
		"POST /v1/claims":                   members,
		"POST /v1/activations":              members,
		"GET /v1/jssdk-config":              everyone,
		"GET /v1/oauth/start":               everyone,
		"GET /v1/oauth/callback":            everyone, // with WeChat's code and the browser's cookie
	},
	Admin: {
		"GET /":                      managers,
		"GET /login":                 everyone,
		"POST /login":                everyone,
		"POST /logout":               everyone,
		"POST /language":             everyone,
		"GET /robots.txt":            everyone,
		"GET /static/console.css":    everyone,
		"GET /static/console.js":     everyone,
		"GET /members":               managers,
		"GET /members/{id}":          managers,
		"GET /tickets":               managers,
		"POST /tickets/{kind}":       onlyOwner,
		"POST /members/{id}/entries": managers,
		"GET /explain":               managers,
		"POST /explain":              managers,
		"GET /staff":                 onlyOwner,
		"POST /staff":                onlyOwner,
		"POST /staff/{id}/link":      onlyOwner,
		"POST /staff/{id}/tokens":    onlyOwner,
		"POST /staff/{id}/revoke":    onlyOwner,
		"POST /staff/{id}/remove":    onlyOwner,
		"GET /webhooks":              onlyOwner,
		"POST /webhooks":             onlyOwner,
		"GET /webhooks/{id}":         onlyOwner,
		"POST /webhooks/{id}":        onlyOwner,
		"POST /webhooks/{id}/switch": onlyOwner,
		"POST /webhooks/{id}/rotate": onlyOwner,
		"POST /webhooks/{id}/test":   onlyOwner,
		"POST /webhooks/{id}/resend": onlyOwner,
		"POST /webhooks/{id}/delete": onlyOwner,
		"GET /audit":                 managers,
		"GET /settings":              managers,
		"POST /settings":             managers,

		"GET /cards":                     managers,
		"POST /cards":                    managers,
		"GET /cards/new":                 managers,
		"GET /cards/{card_id}":           managers,
		"GET /cards/{card_id}/print":     managers,
		"POST /cards/{card_id}/print":    managers,
		"POST /cards/{card_id}/update":   managers,
		"POST /cards/{card_id}/stock":    managers,
		"POST /cards/{card_id}/settings": managers,
		"POST /cards/{card_id}/form":     managers,
		"POST /cards/{card_id}/testers":  managers,
		"POST /cards/{card_id}/shelf":    managers,
		"POST /cards/{card_id}/codes":    managers,
		"POST /cards/{card_id}/delete":   managers,
		"POST /members/{id}/preview":     managers,
		"POST /members/{id}/fields":      managers,
		"POST /members/{id}/unavailable": managers,
		"POST /members/{id}/erase":       managers,

		"GET /imports":                      managers,
		"POST /imports":                     managers,
		"GET /imports/sample.csv":           managers,
		"GET /imports/{id}":                 managers,
		"POST /imports/accounts/{id}/erase": managers,
		"GET /entries":                      managers,
		"POST /entries/undo":                managers,
		"GET /pushes":                       managers,
		"GET /pushes/{id}":                  managers,
		"POST /pushes/retry":                managers,
		"GET /pushes/retry/{id}":            managers,
		"POST /pushes/retry/{id}/stop":      managers,
		"GET /static/till.js":               everyone,
		"GET /till":                         allStaff,
		"POST /till/entries":                allStaff,

		"POST /v1/cards":                                    managers.andRecorded(),
		"GET /v1/cards":                                     managers,
		"GET /v1/cards/{card_id}":                           managers,
		"GET /v1/cards/{card_id}/face":                      allStaff,
		"PATCH /v1/cards/{card_id}":                         managers.andRecorded(),
		"DELETE /v1/cards/{card_id}":                        managers.andRecorded(),
		"POST /v1/cards/{card_id}/stock":                    managers.andRecorded(),
		"PUT /v1/cards/{card_id}/settings":                  managers.andRecorded(),
		"PUT /v1/cards/{card_id}/activation-form":           managers.andRecorded(),
		"POST /v1/cards/{card_id}/qrcode":                   managers.andRecorded(),
		"POST /v1/cards/{card_id}/codes":                    managers.andRecorded(),
		"POST /v1/cards/{card_id}/codes/{code}/unavailable": managers.andRecorded(),
		"POST /v1/cards/{card_id}/codes/{code}/entries":     allStaff,
		"GET /v1/cards/{card_id}/codes/{code}/entries":      allStaff,
		"PUT /v1/cards/{card_id}/codes/{code}/fields":       managers.andRecorded(),
		"GET /v1/entries":                                   allStaff,
		"GET /v1/entries/export":                            managers.andRecorded(),
		"POST /v1/entries/batch":                            managers,
		"POST /v1/imports":                                  managers.andRecorded(),
		"GET /v1/imports":                                   managers,
		"GET /v1/imports/{id}":                              managers,
		"GET /v1/imports/{id}/lines":                        managers,
		"DELETE /v1/imports/accounts/{id}":                  managers.andRecorded(),
		"GET /v1/members/{id}/timeline":                     managers,
		"GET /v1/statistics":                                managers,
		"PUT /v1/test-whitelist":                            managers.andRecorded(),
		"POST /v1/shelves":                                  managers.andRecorded(),
		"POST /v1/images":                                   managers.andRecorded(),
		"POST /v1/explain":                                  managers,
		"GET /v1/members":                                   allStaff,
		"GET /v1/members/export":                            managers.andRecorded(),
		"GET /v1/members/{id}":                              managers,
		"DELETE /v1/members/{id}":                           managers.andRecorded(),
		"GET /v1/outbox":                                    managers,
		"GET /v1/outbox/{id}":                               managers,
		"POST /v1/outbox/{id}/retry":                        managers.andRecorded(),
		"POST /v1/outbox/retry":                             managers.andRecorded(),
		"GET /v1/outbox/retry":                              managers,
		"GET /v1/outbox/retry/{id}":                         managers,
		"DELETE /v1/outbox/retry/{id}":                      managers.andRecorded(),
		"GET /v1/checks":                                    managers,
		"GET /v1/tickets":                                   managers,
		"GET /v1/tickets/{kind}":                            ticketReaders,
		"POST /v1/tickets/{kind}/invalidate":                ticketReaders.andRecorded(),
		"GET /v1/staff":                                     onlyOwner,
		"POST /v1/staff":                                    onlyOwner.andRecorded(),
		"DELETE /v1/staff/{id}":                             onlyOwner.andRecorded(),
		"POST /v1/staff/{id}/link":                          onlyOwner.andRecorded(),
		"POST /v1/staff/{id}/tokens":                        onlyOwner.andRecorded(),
		"DELETE /v1/staff/{id}/keys/{key_id}":               onlyOwner.andRecorded(),
		"GET /v1/webhooks":                                  onlyOwner,
		"POST /v1/webhooks":                                 onlyOwner.andRecorded(),
		"GET /v1/webhooks/{id}":                             onlyOwner,
		"PATCH /v1/webhooks/{id}":                           onlyOwner.andRecorded(),
		"DELETE /v1/webhooks/{id}":                          onlyOwner.andRecorded(),
		"POST /v1/webhooks/{id}/test":                       onlyOwner.andRecorded(),
		"GET /v1/webhooks/{id}/deliveries":                  onlyOwner,
		"POST /v1/webhooks/{id}/resend":                     onlyOwner.andRecorded(),
		"GET /v1/audit":                                     managers,
		"GET /v1/audit/export":                              managers.andRecorded(),
		"GET /v1/settings":                                  allStaff,
		"PUT /v1/settings":                                  managers.andRecorded(),
		"GET /metrics":                                      onlyOwner,
		"GET /debug/pprof/":                                 onlyOwner,
		"GET /debug/pprof/{name}":                           onlyOwner,
		"GET /debug/pprof/cmdline":                          onlyOwner,
		"GET /debug/pprof/symbol":                           onlyOwner,
		"GET /debug/pprof/profile":                          onlyOwner,
		"GET /debug/pprof/trace":                            onlyOwner,
	},
}

// shared are the routes of both listeners: health, and the description of the API.
var shared = []string{
	"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /openapi.yaml", "GET /openapi-3.0.json", "GET /openapi-3.0.yaml",
	"GET /docs", "GET /docs/{asset}",
}

// accessTo returns who may use a route, given by its method and its path in the form of
// gin or of huma, and whether the table has it.
func accessTo(to Audience, method, path string) (a Access, known bool) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name := strings.TrimLeft(part, ":*"); name != part {
			parts[i] = "{" + name + "}"
		}
	}
	route := method + " " + strings.Join(parts, "/")
	if slices.Contains(shared, route) {
		return everyone, true
	}
	a, known = accessTable[to][route]
	return a, known
}

// Restrict returns a handler that lets a request through if its sender has a role that
// may use its route. prove returns the role, or the error that the client gets; it must
// be cheap and not read the body. It is not called for routes that are open to all, nor
// on the public listener for a path without a route.
func (l *Listener) Restrict(prove func(*gin.Context) (Role, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		path := c.FullPath()
		access := l.accesses[routeKey{c.Request.Method, path}]
		if path == "" && l.audience == Public || path != "" && access.Open() {
			return
		}
		role, err := prove(c)
		if err == nil && path != "" && !access.Allows(role) {
			err = RoleForbidden.Err()
		}
		if err != nil {
			l.Fail(c, err)
		}
	}
}

// Serves reports whether the listener has a route that a role may use, given by its
// method and its path in the form of gin. It is for a running listener.
func (l *Listener) Serves(to Role, method, path string) bool {
	return l.accesses[routeKey{method, path}].Allows(to)
}

// checkAccess panics if the table has no row for a route of the listener.
func (l *Listener) checkAccess() {
	for _, r := range l.Routes() {
		access, known := accessTo(l.audience, r.Method, r.Path)
		if !known {
			panic("web: the access table has no row for " + r.Method + " " + r.Path)
		}
		l.accesses[routeKey{r.Method, r.Path}] = access
	}
}
