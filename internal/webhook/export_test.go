package webhook

import "net/http"

// For the tests of what has no other way in.
var (
	NewClient  = newClient
	IsAllowed  = isAllowed
	Signatures = signatures
	Masked     = masked
)

// SetTransport has requests answered by rt instead of a network.
func (s *Service) SetTransport(rt http.RoundTripper) { s.client.Transport = rt }
