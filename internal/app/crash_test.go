package app_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/testing/server"
	"github.com/addcard/addcard/internal/wechatsim"
)

// TestMain runs few checks of the property test, unless -rapid.checks says otherwise:
// each starts some servers.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "20", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	server.Main(m)
}

// spawn starts a server in a process of its own. Its Stop kills it.
func spawn(w *apptest.World) *apptest.Server {
	w.T.Helper()
	p := server.Start(w.T, w.Environ())
	return &apptest.Server{T: w.T, Public: p.Public, Admin: p.Admin, Stop: p.Kill}
}

// Several processes on one database file share the tickets as replicas do.
func TestFleet_ProcessesOnOneFileFetchOnce(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	for _, path := range []string{"/cgi-bin/stable_token", "/cgi-bin/ticket/getticket"} {
		if err := w.Sim.AddFault(wechatsim.Fault{Path: path, LatencyMS: 300, Times: -1}); err != nil {
			t.Fatal(err)
		}
	}
	cardID := w.Card()
	var fleet []*apptest.Server
	for range 4 {
		fleet = append(fleet, spawn(w))
	}
	token, _ := w.Login(fleet[0], "ming")
	var wg sync.WaitGroup
	for _, p := range fleet {
		for range 25 {
			wg.Go(func() {
				if got := p.Post("/v1/card-ext", token, apptest.CardIDs(cardID)); got.Status != 200 {
					t.Errorf("card-ext: %d %s", got.Status, got.Body)
				}
			})
		}
	}
	wg.Wait()
	for _, path := range []string{"/cgi-bin/stable_token", "/cgi-bin/ticket/getticket"} {
		if n := w.Sim.Calls()[path].Total; n != 1 {
			t.Errorf("%s: %d calls, want 1", path, n)
		}
	}
}

// gate is a proxy between the servers and WeChat that blocks the first call of a
// path, before or after WeChat has handled it, until the test is over.
type gate struct {
	path    string
	after   bool
	once    sync.Once
	arrived chan struct{}
	over    <-chan struct{}
}

func newGate(w *apptest.World, path string, after bool) *gate {
	w.T.Helper()
	g := &gate{path: path, after: after, arrived: make(chan struct{}), over: w.T.Context().Done()}
	target, err := url.Parse(w.WeChat.URL)
	if err != nil {
		w.T.Fatal(err)
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
	w.T.Cleanup(front.Close)
	w.Env["WECHAT_API_URL"] = front.URL
	return g
}

func (g *gate) first() (yes bool) {
	g.once.Do(func() { yes = true })
	return yes
}

// A server that is killed between the claim and the end of the activation
// activates the card once after it is started again.
func TestCrash_BetweenClaimAndActivation(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"before WeChat has activated": false, "after WeChat has activated": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{})
			cardID := w.Card()
			g := newGate(w, "/card/membercard/activate", after)
			p := spawn(w)
			token, _ := w.Login(p, "ming")
			added := w.AddCard(p, token, "ming", cardID)
			if got := p.Post("/v1/claims", token, apptest.Claims(added[0])); got.Status != 200 {
				t.Fatalf("claim: %d %s", got.Status, got.Body)
			}
			select {
			case <-g.arrived:
			case <-time.After(10 * time.Second):
				t.Fatal("the activation did not go out")
			}
			p.Stop()

			p = spawn(w)
			if got := p.Cards(token)[0].Status; got != "claimed" {
				t.Errorf("after the restart: %s, want claimed: the claim was acknowledged", got)
			}
			// The lease of the killed process must expire first.
			for deadline := time.Now().Add(50 * time.Second); p.Cards(token)[0].Status != "active"; {
				if time.Now().After(deadline) {
					t.Fatal("the card does not become active")
				}
				<-time.After(200 * time.Millisecond)
			}
			wallet, err := w.Sim.Cards("ming")
			if err != nil || !wallet[0].HasActive {
				t.Errorf("wallet: %+v, %v", wallet, err)
			}
			if n := w.Sim.Calls()["/card/membercard/activate"].Outcomes["0"]; n != 1 {
				t.Errorf("WeChat activated the card %d times", n)
			}
		})
	}
}
