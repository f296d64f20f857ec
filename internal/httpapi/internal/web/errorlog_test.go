package web_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// failing is a listener without descriptors: its first Accept fails.
type failing struct {
	net.Listener
	once sync.Once
}

func (f *failing) Accept() (conn net.Conn, err error) {
	f.once.Do(func() { err = &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)} })
	if err != nil {
		return nil, err
	}
	return f.Listener.Accept()
}

// Regression: "accept: too many open files" was logged at debug, so that a server
// that took no connections was silent.
func TestListener_LogsThatItCannotAccept(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	server := web.New(web.Public, web.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))}).Server()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(&failing{Listener: inner}) }()
	conn, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("x\r\n\r\n")); err != nil { // 400 once it is accepted
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, `"level":"WARN"`) || !strings.Contains(text, "too many open files") {
		t.Errorf("the log is %q", text)
	}
}

func TestListener_LogsMessagesOfTheServerByTheirCause(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
	server := web.New(web.Public, web.Options{Log: slog.New(handler)}).Server()
	for message, level := range map[string]string{
		"http: panic serving 192.0.2.1:80: boom\ngoroutine 1": "ERROR", "http: TLS handshake error from 192.0.2.1:80: EOF": "DEBUG",
		"http: superfluous response.WriteHeader call from x (y:1)": "WARN", "something new": "WARN",
	} {
		log.Reset()
		server.ErrorLog.Print(message)
		if text := log.String(); !strings.Contains(text, "level="+level) || strings.Count(text, "\n") != 1 {
			t.Errorf("%q: got %q, want level %s", message, text, level)
		}
	}
}
