package command

import (
	"io"
	"log/slog"

	"github.com/addcard/addcard/internal/logpipe"
)

// NewLog returns where a server writes its log. It leads to standard error, and a
// reader of that who has stopped or gone does not stop the server. format returns
// the logger of a writer; it formats the line that says how many lines were dropped.
func NewLog(streams Streams, format func(io.Writer) *slog.Logger) *logpipe.Writer {
	return logpipe.New(streams.Err, func(w io.Writer, dropped uint64) {
		format(w).Warn("log: lines were dropped, because standard error was not read in time", "lines", dropped)
	})
}
