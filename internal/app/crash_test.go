package app_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	servertest "github.com/addcard/addcard/internal/testing/server"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// process is a server in a process of its own, which can be killed.
type process struct {
	*server
	kill func()
}

func (w *world) spawn() *process {
	w.t.Helper()
	p := servertest.Start(w.t, w.environ())
	return &process{&server{t: w.t, base: p.Public, admin: p.Admin}, p.Kill}
}

// Several processes on one database file share the tickets as replicas do.
func TestFleet_processes_on_one_file_fetch_once(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	for _, path := range []string{"/cgi-bin/stable_token", "/cgi-bin/ticket/getticket"} {
		if err := w.sim.AddFault(wechatsim.Fault{Path: path, LatencyMS: 300, Times: -1}); err != nil {
			t.Fatal(err)
		}
	}
	cardID := w.card()
	var fleet []*process
	for range 4 {
		fleet = append(fleet, w.spawn())
	}
	token, _ := w.login(fleet[0].server, "ming")
	var wg sync.WaitGroup
	for _, p := range fleet {
		for range 25 {
			wg.Go(func() {
				if got := p.post("/v1/card-ext", token, want(cardID)); got.status != 200 {
					t.Errorf("card-ext: %d %s", got.status, got.body)
				}
			})
		}
	}
	wg.Wait()
	for _, path := range []string{"/cgi-bin/stable_token", "/cgi-bin/ticket/getticket"} {
		if n := w.sim.Calls()[path].Total; n != 1 {
			t.Errorf("%s: %d calls, want 1", path, n)
		}
	}
}

// gate stands between the servers and WeChat and holds the first call of a
// path, before or after WeChat has seen it, until the test is over.
type gate struct {
	path    string
	after   bool
	once    sync.Once
	arrived chan struct{}
	over    <-chan struct{}
}

func (w *world) gate(path string, after bool) *gate {
	w.t.Helper()
	g := &gate{path: path, after: after, arrived: make(chan struct{}), over: w.t.Context().Done()}
	target, err := url.Parse(w.wechat.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path || !g.first() {
			proxy.ServeHTTP(rw, r)
			return
		}
		if after {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
		}
		close(g.arrived)
		<-g.over
	}))
	w.t.Cleanup(front.Close)
	w.env["WECHAT_API_URL"] = front.URL
	return g
}

func (g *gate) first() (yes bool) {
	g.once.Do(func() { yes = true })
	return yes
}

// Killed at any point between the claim and the end of the activation, the
// server activates the card once after it is started again.
func TestCrash_between_claim_and_activation(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before WeChat has activated": false, "after WeChat has activated": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, wechatsim.Options{})
			cardID := w.card()
			g := w.gate("/card/membercard/activate", after)
			p := w.spawn()
			token, _ := w.login(p.server, "ming")
			added := w.take(p.server, token, "ming", cardID)
			if got := p.post("/v1/claims", token, claimOf(added[0])); got.status != 200 {
				t.Fatalf("claim: %d %s", got.status, got.body)
			}
			select {
			case <-g.arrived:
			case <-time.After(10 * time.Second):
				t.Fatal("the activation did not go out")
			}
			p.kill()

			p = w.spawn()
			if got := p.cards(token)[0].Status; got != "claimed" {
				t.Errorf("after the restart: %s, want claimed: the claim was acknowledged", got)
			}
			// The dead process's lease has to run out first.
			for deadline := time.Now().Add(50 * time.Second); p.cards(token)[0].Status != "active"; {
				if time.Now().After(deadline) {
					t.Fatal("the card does not become active")
				}
				<-time.After(200 * time.Millisecond)
			}
			wallet, err := w.sim.Cards("ming")
			if err != nil || !wallet[0].HasActive {
				t.Errorf("wallet: %+v, %v", wallet, err)
			}
			if n := w.sim.Calls()["/card/membercard/activate"].Outcomes["0"]; n != 1 {
				t.Errorf("WeChat activated the card %d times", n)
			}
		})
	}
}
