package wechat

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// noAnswer returns the Error of a request that err ended. Of err it keeps only that a
// context ended: net/http prints the whole URL, and sometimes what the server sent.
func noAnswer(api string, reached bool, err error) *Error {
	e := &Error{API: api, Msg: reason(err), failure: "network", connected: reached}
	timeout := net.Error(nil)
	switch {
	case errors.Is(err, context.Canceled):
		e.failure, e.cause = "canceled", context.Canceled
	case errors.As(err, &timeout) && timeout.Timeout():
		e.failure, e.cause = "timeout", context.DeadlineExceeded
	}
	return e
}

func reason(err error) string {
	timeout := net.Error(nil)
	lookup := (*net.DNSError)(nil)
	certificate := (*tls.CertificateVerificationError)(nil)
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &lookup):
		return "host not found"
	case errors.As(err, &certificate):
		return "certificate not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before the end of the answer"
	}
	return "request failed"
}

// malformedAnswer returns the Error of an unusable answer. It contains nothing of the
// answer, which may repeat what was sent.
func malformedAnswer(api, what string, r reply) *Error {
	return &Error{API: api, Msg: fmt.Sprintf("%s (HTTP %d, %d bytes)", what, r.status, len(r.body)), failure: "malformed", connected: true}
}
