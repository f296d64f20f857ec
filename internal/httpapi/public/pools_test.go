package public_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
)

// services are services of which some hang until their caller leaves.
type services struct {
	hang    map[string]bool
	waiting atomic.Int32
	logins  atomic.Int32
	pushes  atomic.Int32
	lost    error // of Receive
}

var errLate = errors.New("late")

func (s *services) call(ctx context.Context, name string) error {
	if !s.hang[name] {
		return nil
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	<-ctx.Done()
	return fmt.Errorf("%w: %w", errLate, ctx.Err())
}

func (s *services) Login(ctx context.Context, _ string) (string, auth.Session, error) {
	s.logins.Add(1)
	return "token", auth.Session{MemberID: "m"}, s.call(ctx, "login")
}

func (s *services) Verify(token string) (auth.Session, error) {
	if token != "token" {
		return auth.Session{}, auth.ErrSession
	}
	return auth.Session{MemberID: "m"}, nil
}

func (s *services) Logout(ctx context.Context, _ auth.Session) error { return s.call(ctx, "database") }

func (s *services) Cards(ctx context.Context, _ string) ([]member.Card, error) {
	return nil, s.call(ctx, "cards")
}

func (s *services) Phone(ctx context.Context, _ string) (string, error) {
	return "", s.call(ctx, "cards")
}

func (s *services) CardOf(ctx context.Context, _, _, _ string) (member.Card, error) {
	return member.Card{}, s.call(ctx, "database")
}

func (s *services) Entries(ctx context.Context, _, _ string, _ int64, _ int) ([]ledger.Entry, error) {
	return nil, s.call(ctx, "database")
}

func (s *services) Get(ctx context.Context, _ string) (card.Card, error) {
	return card.Card{}, s.call(ctx, "face")
}

func (s *services) Claimable(context.Context, string, bool) (card.Card, error) {
	return card.Card{}, card.ErrNotClaimable
}

func (s *services) Make(ctx context.Context, _ string, _ []cardlist.Request) ([]cardlist.Item, error) {
	return nil, s.call(ctx, "ticket")
}

func (s *services) Claim(ctx context.Context, _ string, _ []cardlist.Added) ([]member.Card, error) {
	return nil, s.call(ctx, "account")
}

func (s *services) Params(ctx context.Context, _, _, _ string) (opencard.Params, error) {
	return opencard.Params{}, s.call(ctx, "account")
}

func (s *services) Activate(ctx context.Context, _, _, _, _ string) (member.Card, error) {
	return member.Card{}, s.call(ctx, "account")
}

func (s *services) Exchange(ctx context.Context, _, _ string) (string, error) {
	return "", s.call(ctx, "phone")
}

func (*services) Allows(string) bool { return false }

func (s *services) Config(ctx context.Context, _ string) (jssdk.Config, error) {
	return jssdk.Config{}, s.call(ctx, "face")
}

func (s *services) Echo(url.Values) (string, bool) { return "echo", true }

func (s *services) Check(query url.Values) (proved, possible bool) {
	return query.Has("signature"), query.Has("msg_signature")
}

func (s *services) Receive(ctx context.Context, _ url.Values, _ []byte) (bool, error) {
	s.pushes.Add(1)
	if s.lost != nil {
		return true, s.lost
	}
	return true, s.call(ctx, "push")
}

// serve returns the URL of a server of these services.
func (s *services) serve(t *testing.T, o public.Options) string {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	if o.InFlight == nil {
		o.InFlight = make(chan struct{}, 256)
	}
	o.Observe = func(string, string, int, time.Duration) {}
	o.Ready = func(ctx context.Context) error { return s.call(ctx, "ready") }
	server := httptest.NewUnstartedServer(nil)
	server.Config = public.New(public.Services{Sessions: s, Members: s, Ledger: s, Catalogue: s, CardLists: s, OpenCards: s,
		Phones: s, Pages: s, Pushes: s}, o)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// calls has one request for each group of routes that share slots.
var calls = map[string]struct{ method, path, body string }{
	"login":    {http.MethodPost, "/v1/session", `{"code":"c"}`},
	"ticket":   {http.MethodPost, "/v1/card-ext", `{"cards":[{"card_id":"p"}]}`},
	"account":  {http.MethodPost, "/v1/claims", `{"cardList":[{"cardId":"p","code":"c"}]}`},
	"phone":    {http.MethodPost, "/v1/me/phone", `{"code":"c"}`},
	"face":     {http.MethodGet, "/v1/cards/p", ""},
	"push":     {http.MethodPost, "/wechat/callback?signature=1", `<xml/>`},
	"database": {http.MethodGet, "/v1/me/cards/p/codes/1/entries", ""},
	"ready":    {http.MethodGet, "/readyz", ""},
}

// sizes has how many requests of a group wait when it has no slots left. One check of
// the database is for all probes.
var sizes = map[string]int32{"login": 128, "ticket": 256, "account": 128, "phone": 64, "face": 64, "push": 64, "database": 256, "ready": 1}

func request(ctx context.Context, t *testing.T, url, method, path, body string) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header
}

// Symptom: while code2Session did not answer, members, the ledger and WeChat's own
// pushes got 503.
func TestPools_APartThatHangsTakesNoOthersSlots(t *testing.T) {
	t.Parallel()
	for hanging := range calls {
		t.Run(hanging, func(t *testing.T) {
			t.Parallel()
			s := &services{hang: map[string]bool{hanging: true}}
			url := s.serve(t, public.Options{TrustedProxies: []string{"127.0.0.1"}, RatePerAddress: 100_000})
			ctx, leave := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer leave()
			full := make(chan http.Header, 1)
			c := calls[hanging]
			for range 300 {
				wg.Go(func() {
					if status, h := request(ctx, t, url, c.method, c.path, c.body); status == http.StatusServiceUnavailable {
						select {
						case full <- h:
						default:
						}
					}
				})
			}
			select { // all slots of the hanging part are taken
			case h := <-full:
				if h.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			case <-time.After(time.Minute):
				t.Fatalf("%d wait and none is refused", s.waiting.Load())
			}
			for want, deadline := sizes[hanging], time.After(time.Minute); s.waiting.Load() != want; {
				select {
				case <-time.After(5 * time.Millisecond): // those that have a slot come to wait
				case <-deadline:
					t.Fatalf("%d wait, want %d", s.waiting.Load(), want)
				}
			}
			for other, c := range calls {
				if status, _ := request(t.Context(), t, url, c.method, c.path, c.body); other != hanging && status/100 != 2 {
					t.Errorf("%s: got %d", other, status)
				}
			}
			if status, _ := request(t.Context(), t, url, http.MethodGet, "/healthz", ""); status != http.StatusOK {
				t.Errorf("/healthz: got %d", status)
			}
		})
	}
}

// When no request may wait for a processor, pushes and probes are served all the same.
func TestPools_AnOverloadRefusesNoPushAndNoProbe(t *testing.T) {
	t.Parallel()
	s := &services{}
	url := s.serve(t, public.Options{Common: public.Common{InFlight: make(chan struct{})}}) // nor has any a slot
	for target, want := range map[string]int{
		"POST /wechat/callback?signature=1": 200, "GET /wechat/callback?signature=1": 200, "GET /healthz": 200, "GET /readyz": 200,
		"GET /v1/me": 503, "POST /v1/card-ext": 503, "GET /v1/cards/p": 503, "GET /docs/": 503,
	} {
		method, path, _ := strings.Cut(target, " ")
		if got, _ := request(t.Context(), t, url, method, path, "{}"); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
}

// A thousand callers wait for one ticket when the server starts. Without a limit
// per address there is room for all of them.
func TestPools_HoldAThousandCallersWithoutALimit(t *testing.T) {
	t.Parallel()
	s := &services{hang: map[string]bool{"ticket": true}}
	url := s.serve(t, public.Options{Common: public.Common{InFlight: make(chan struct{}, 1024)}})
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer leave()
	c := calls["ticket"]
	for range 1000 {
		wg.Go(func() { request(ctx, t, url, c.method, c.path, c.body) })
	}
	for s.waiting.Load() < 1000 {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d of 1000 wait", s.waiting.Load())
		}
	}
}

// WeChat hears when to send a push again that was not stored.
func TestCallback_APushThatIsNotStoredIsToComeAgain(t *testing.T) {
	t.Parallel()
	s := &services{lost: errors.New("the database is away")}
	url, c := s.serve(t, public.Options{}), calls["push"]
	if status, h := request(t.Context(), t, url, c.method, c.path, c.body); status != 503 || h.Get("Retry-After") == "" {
		t.Errorf("got %d %v", status, h)
	}
}

// A push has at most 64 KiB, proved or not.
func TestCallback_APushIsBounded(t *testing.T) {
	t.Parallel()
	s := &services{}
	url := s.serve(t, public.Options{})
	for n, want := range map[int]int{64 << 10: 200, 64<<10 + 1: 403} {
		for _, query := range []string{"?signature=1", "?msg_signature=1"} {
			if got, _ := request(t.Context(), t, url, http.MethodPost, "/wechat/callback"+query, strings.Repeat("x", n)); got != want {
				t.Errorf("%d bytes, %s: got %d, want %d", n, query, got, want)
			}
		}
	}
	for n, want := range map[int]int{31: 200, 32: 403} {
		path := "/wechat/callback?signature=1" + strings.Repeat("&a", n)
		if got, _ := request(t.Context(), t, url, http.MethodPost, path, "<xml/>"); got != want {
			t.Errorf("%d parameters: got %d, want %d", n+1, got, want)
		}
	}
	if n := s.pushes.Load(); n != 3 {
		t.Errorf("%d were received, want 3", n)
	}
}

// What is refused for its query, token or length is answered before its body has
// come, and the connection does not wait for it.
func TestProof_IsAskedBeforeTheBody(t *testing.T) {
	t.Parallel()
	s := &services{}
	url := s.serve(t, public.Options{})
	for head, want := range map[string]int{
		"POST /v1/card-ext":                              401,
		"POST /v1/claims":                                401,
		"POST /v1/activations":                           401,
		"POST /v1/me/phone":                              401,
		"DELETE /v1/session":                             401,
		"POST /wechat/callback":                          403,
		"POST /wechat/callback?nonce=1":                  403,
		"POST /wechat/callback?%zz":                      403,
		"POST /nope":                                     404,
		"PUT /v1/session":                                405,
		"POST /v1/session?code=1&code=2":                 422,
		"POST /v1/session?" + strings.Repeat("a&", 5000): 422,
	} {
		conn := dial(t, "127.0.0.1", url, head+" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{")
		if got := statusOf(t, conn); got != want {
			t.Errorf("%.60s: got %d, want %d", head, got, want)
		}
	}
}

// statusOf reads the status of an answer.
func statusOf(t *testing.T, conn net.Conn) (status int) {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if _, scanned := fmt.Sscanf(string(buf[:n]), "HTTP/1.1 %d", &status); scanned != nil {
		t.Errorf("got %.200q, %v", buf[:n], err)
	}
	return status
}

// Unproved pushes are read in a lane of their own.
func TestCallback_UnprovedPushesAreReadFewAtOnce(t *testing.T) {
	t.Parallel()
	s := &services{}
	url := s.serve(t, public.Options{})
	const unproved = "/wechat/callback?msg_signature=1"
	status := make(chan int, 100)
	for range cap(status) {
		conn := dial(t, "127.0.0.1", url, "POST "+unproved+" HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n<")
		go func() { status <- statusOf(t, conn) }()
	}
	if got, _ := request(t.Context(), t, url, http.MethodPost, calls["push"].path, "<xml/>"); got != http.StatusOK {
		t.Errorf("a proved push: got %d", got)
	}
	seen := map[int]int{<-status: 1} // one is refused: the lane is full
	if got, _ := request(t.Context(), t, url, http.MethodPost, "/wechat/callback?nonce=1", "<xml/>"); got != http.StatusForbidden {
		t.Errorf("a push that no body can prove: got %d, want 403 at once", got)
	}
	for range cap(status) - 1 {
		seen[<-status]++
	}
	// What is read is too slow in the end.
	if seen[http.StatusServiceUnavailable] == 0 || seen[http.StatusForbidden] < 8 || len(seen) != 2 {
		t.Errorf("got %v, want some 503 and at least eight 403", seen)
	}
	if got, _ := request(t.Context(), t, url, http.MethodPost, unproved, "<xml/>"); got != http.StatusOK {
		t.Errorf("when the slow ones are gone: got %d", got)
	}
}

// A body may come slowly, but not as slowly as it likes.
func TestBody_ComesAtALeastRate(t *testing.T) {
	t.Parallel()
	s := &services{}
	url := s.serve(t, public.Options{})
	const head = "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
	slow := dial(t, "127.0.0.1", url, head+"60000\r\n\r\n{")
	began := time.Now()
	dripping := dial(t, "127.0.0.1", url, head+"60000\r\n\r\n{")
	go func() {
		for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
			if _, err := dripping.Write([]byte(" ")); err != nil {
				return
			}
		}
	}()
	steady := dial(t, "127.0.0.1", url, head+"9000\r\n\r\n")
	go func() { // 3 KB a second: three seconds
		body := []byte(`{"code":"c"` + strings.Repeat(" ", 9000-12) + "}")
		for tick := time.NewTicker(100 * time.Millisecond); len(body) > 0; <-tick.C {
			n, err := steady.Write(body[:min(300, len(body))])
			if err != nil {
				return
			}
			body = body[n:]
		}
	}()
	for name, conn := range map[string]net.Conn{"a byte and no more": slow, "a few bytes a second": dripping} {
		if got := statusOf(t, conn); got != http.StatusRequestTimeout {
			t.Errorf("%s: got %d", name, got)
		}
		for buf := make([]byte, 4096); ; {
			if _, err := conn.Read(buf); err != nil {
				if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
					t.Errorf("%s: the connection is open", name)
				}
				break
			}
		}
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("a slow client had %v", took)
	}
	if got := statusOf(t, steady); got != http.StatusOK {
		t.Errorf("3 KB a second: got %d", got)
	}
}

// Forged pushes of one address are limited, and do not count against WeChat's own
// from behind the same proxy; nor do they, or any other requests, against probes.
func TestLimits_OfForgedPushesAndProbes(t *testing.T) {
	t.Parallel()
	s := &services{}
	url := s.serve(t, public.Options{RatePerAddress: 1})
	refused := 0
	for range 30 {
		if got, _ := request(t.Context(), t, url, http.MethodPost, "/wechat/callback", "<xml/>"); got == http.StatusTooManyRequests {
			refused++
		} else if got != http.StatusForbidden {
			t.Errorf("a forged push: got %d", got)
		}
	}
	if refused < 10 {
		t.Errorf("%d of 30 forged pushes are refused for their number", refused)
	}
	for range 30 {
		if got, _ := request(t.Context(), t, url, http.MethodPost, calls["push"].path, "<xml/>"); got != http.StatusOK {
			t.Fatalf("an authentic push: got %d", got)
		}
	}
	if got, _ := request(t.Context(), t, url, http.MethodGet, "/healthz", ""); got != http.StatusOK {
		t.Errorf("/healthz: got %d", got)
	}
}

// Symptom: 20 addresses caused 1,200 calls of code2Session a second.
func TestLimits_LoginsOfOneAddress(t *testing.T) {
	t.Parallel()
	s := &services{}
	url := s.serve(t, public.Options{RatePerAddress: 100})
	began := time.Now()
	refused := 0
	for i := range 200 {
		body := fmt.Sprintf(`{"code":"c%d"}`, i)
		switch got, h := request(t.Context(), t, url, http.MethodPost, "/v1/session", body); {
		case got == http.StatusTooManyRequests && h.Get("Retry-After") != "":
			refused++
		case got != http.StatusOK:
			t.Errorf("login %d: got %d", i, got)
		}
	}
	allowed := 100 + int(10*time.Since(began).Seconds()) + 1
	if got := int(s.logins.Load()); got < 100 || got > allowed {
		t.Errorf("%d logins in %v, want 100 to %d; %d refused", got, time.Since(began), allowed, refused)
	}
	if got, _ := request(t.Context(), t, url, http.MethodGet, "/v1/me", ""); got != http.StatusOK {
		t.Errorf("a member of the same address: got %d", got)
	}
	other := dial(t, "127.0.0.2", url, "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"+
		`{"code":"o"}`)
	if got := statusOf(t, other); got != http.StatusOK {
		t.Errorf("another address: got %d", got)
	}
}
