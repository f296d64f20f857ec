package webhook

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

const (
	sendTime = 10 * time.Second // for one attempt, with the answer
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
)

const refused = "is in a network that is not public; WEBHOOK_ALLOW_PRIVATE can allow it"

// errAddress is the error of a connection to an address that is not allowed.
var errAddress = errors.New("the address of the endpoint " + refused)

// newClient returns a client that connects to public addresses, and to those of the
// networks in allow. The address is checked when it is known, right before the
// connection: the name of an endpoint may resolve to another one each time.
func newClient(allow []netip.Prefix) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !isAllowed(to.Addr(), allow) {
			return errAddress
		}
		return nil
	}}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // without a proxy, which would hide the address
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: perEndpoint, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: maxAnswer,
		},
	}
}

func (s *Service) allows(addr netip.Addr) bool { return isAllowed(addr, s.Allow) }

// isAllowed reports whether endpoints may have an address: a public one, or one of the
// networks in allow.
func isAllowed(addr netip.Addr, allow []netip.Prefix) bool {
	addr = embedded(addr.WithZone(""))
	has := func(p netip.Prefix) bool { return p.Contains(addr) }
	return slices.ContainsFunc(allow, has) || slices.ContainsFunc(public, has) && !slices.ContainsFunc(special, has)
}

// embedded returns the IPv4 address that an IPv6 address stands for: mapped, or of NAT64
// (RFC 6052) or 6to4 (RFC 3056).
func embedded(addr netip.Addr) netip.Addr {
	b := addr.As16()
	switch {
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr.Unmap()
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
	// public are the networks in which there are public addresses, and special the parts
	// of them that are not (IANA's registries of special-purpose addresses), with
	// multicast, and an address at which a cloud serves its machines' metadata.
	public  = prefixes("0.0.0.0/0", "2000::/3")
	special = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"168.63.129.16/32", "2001::/23", "2001:db8::/32", "3fff::/20")
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, text := range list {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
