package app_test

import (
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestDrain_FinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["SHUTDOWN_GRACE"] = "10s"
	s := w.Serve()
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/sns/jscode2session", LatencyMS: 400}); err != nil {
		t.Fatal(err)
	}
	code, err := w.Sim.Login("ming")
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() { status <- s.Post("/v1/session", "", map[string]string{"code": code}).Status }()
	apptest.Eventually(t, "the login is at WeChat", func() bool { return w.Sim.Calls()["/sns/jscode2session"].Total > 0 })
	done := make(chan struct{})
	go func() { s.Stop(); close(done) }()
	apptest.Eventually(t, "readyz says 503", func() bool {
		resp, err := apptest.Client.Get(s.Public + "/readyz") //nolint:noctx // ends with the server
		if err != nil {
			return true // the listener is closed already
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == 503
	})
	if got := <-status; got != 200 {
		t.Errorf("the login under way: got %d, want 200", got)
	}
	<-done
}
