package config

import (
	"io"
	"log/slog"
	"strings"
)

// Logger returns the logger that LOG_LEVEL and LOG_FORMAT ask for. It writes
// messages for operators to w; a command's data never goes there.
func (c Config) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: readable}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// readable limits the length of strings and errors, so that text from outside cannot fill
// the log, and writes durations with a unit: slog's JSON has bare nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(shorten(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(shorten(err.Error()))
		}
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func shorten(text string) string {
	const maxLength = 4096
	if len(text) <= maxLength {
		return text
	}
	return strings.ToValidUTF8(text[:maxLength], "") + "…"
}
