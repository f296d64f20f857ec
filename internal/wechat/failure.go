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

// lost makes an Error of a failed request. The text is chosen here and nothing
// of err is kept but the end of a context: net/http prints the whole URL, and
// in places what the other side sent.
func lost(api string, reached bool, err error) *Error {
	e := &Error{API: api, Msg: reason(err), kind: "network", reached: reached}
	timeout := net.Error(nil)
	switch {
	case errors.Is(err, context.Canceled):
		e.kind, e.cause = "canceled", context.Canceled
	case errors.As(err, &timeout) && timeout.Timeout():
		e.kind, e.cause = "timeout", context.DeadlineExceeded
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
		return "connection closed before the whole answer was there"
	}
	return "request failed"
}

// malformed makes an Error of an answer that cannot be used. Of the answer
// itself nothing is said, for it may repeat what was sent.
func malformed(api, what string, r reply) *Error {
	return &Error{API: api, Msg: fmt.Sprintf("%s (HTTP %d, %d bytes)", what, r.status, len(r.body)), kind: "malformed", reached: true}
}
