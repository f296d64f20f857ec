package web

import (
	"context"
	"log"
	"log/slog"
	"strings"
)

// newErrorLog returns the logger of an http.Server. What a client causes, such as a
// broken connection, has level debug: it says nothing about this server and could
// fill the log. Everything else needs an operator.
func newErrorLog(to *slog.Logger) *log.Logger { return log.New(errorLog{to}, "", 0) }

type errorLog struct{ log *slog.Logger }

// levels has the levels of messages of net/http by how they begin. Others are
// warnings.
var levels = []struct {
	begin string
	level slog.Level
}{
	{"http: Accept error", slog.LevelWarn}, // no descriptors are left
	{"http: panic serving", slog.LevelError},
	{"http: TLS handshake error", slog.LevelDebug},
	{"http: URL query contains semicolon", slog.LevelDebug},
	{"http2: ", slog.LevelDebug},
	{"http2: panic serving", slog.LevelError},
}

// Write implements io.Writer for one message.
func (l errorLog) Write(message []byte) (int, error) {
	text, level := strings.TrimSpace(string(message)), slog.LevelWarn
	for _, row := range levels {
		if strings.HasPrefix(text, row.begin) {
			level = row.level
		}
	}
	l.log.Log(context.Background(), level, "http server", "message", text)
	return len(message), nil
}
