package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// tickets is what GET /v1/tickets answers.
type tickets struct {
	Tickets []ticketState `json:"tickets"`
	Calls   []struct {
		API   string `json:"api"`
		Calls int64  `json:"calls"`
	} `json:"calls_today"`
}

// Total returns the calls of all paths.
func (t tickets) Total() (n int64) {
	for _, c := range t.Calls {
		n += c.Calls
	}
	return n
}

type ticketState struct {
	Kind       string    `json:"kind"`
	State      string    `json:"state"`
	Age        int64     `json:"age"`
	ExpiresAt  time.Time `json:"expires_at"`
	ExpiresIn  int64     `json:"expires_in"`
	FetchedBy  string    `json:"fetched_by"`
	Refreshes  int64     `json:"refreshes"`
	Failures   int64     `json:"failures"`
	Rejected   int64     `json:"rejected"`
	Superseded int64     `json:"superseded"`
	LastError  string    `json:"last_error"`
	ErrorAt    time.Time `json:"error_at"`
	RetryAt    time.Time `json:"retry_at"`
}

// ticketChecks are the checks that say why a ticket is missing, and what to do.
var ticketChecks = []string{"api_ticket", "ticket store", "clock"}

// tickets shows how the shared credentials are, and never their values.
func (c *Console) tickets(r *request) error {
	var data struct {
		tickets

		Checks checks
		Owner  bool
	}
	if err := r.get("/v1/tickets", nil, &data.tickets); err != nil {
		return err
	}
	var err error
	if data.Checks, err = r.checks(); err != nil {
		return err
	}
	findings := data.Checks.Findings[:0]
	for _, f := range data.Checks.Findings {
		if slices.Contains(ticketChecks, f.Name) {
			findings = append(findings, f)
		}
	}
	data.Checks.Findings = findings
	if data.Owner = c.api.Serves(r.who().Role, http.MethodPost, "/tickets/:kind"); data.Owner {
		r.offer(http.MethodPost, "/v1/tickets/access_token/invalidate", "", map[string]string{"rejected": "VALUE"})
	}
	return r.render(http.StatusOK, "tickets", data)
}

// rejectTicket has the current value of a ticket replaced. No page has the value, and
// none shows the call that carries it.
func (c *Console) rejectTicket(r *request) error {
	kind := r.Param("kind")
	path := "/v1/tickets/" + url.PathEscape(kind)
	var before, after struct{ Value string }
	if err := r.get(path, nil, &before); err != nil {
		return r.again(err, c.tickets)
	}
	fetched, err := r.fetches(kind)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"rejected": before.Value, "by_hand": true})
	if err != nil {
		return err
	}
	if err := r.send(http.MethodPost, path+"/invalidate", nil, body, nil); err != nil {
		return r.again(err, c.tickets)
	}
	if r.get(path, nil, &after) != nil {
		return r.back("/tickets?done=ticket") // it is not there yet
	}
	again, err := r.fetches(kind)
	switch {
	case err != nil:
		return err
	case after.Value != before.Value:
		return r.back("/tickets?done=ticket_new")
	case again == fetched:
		return r.back("/tickets?done=ticket_soon")
	}
	return r.back("/tickets?done=ticket_same")
}

// fetches returns how often this replica has fetched a ticket.
func (r *request) fetches(kind string) (int64, error) {
	var all tickets
	err := r.get("/v1/tickets", nil, &all)
	for _, t := range all.Tickets {
		if t.Kind == kind {
			return t.Refreshes, err
		}
	}
	return 0, err
}
