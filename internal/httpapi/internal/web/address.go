package web

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

// Proxies are the networks of the proxies that may set X-Forwarded-For.
type Proxies []netip.Prefix

// ParseProxies panics for what is neither an address nor a network; the
// configuration has been checked.
func ParseProxies(list []string) Proxies {
	p := make(Proxies, len(list))
	for i, text := range list {
		if strings.Contains(text, "/") {
			p[i] = netip.MustParsePrefix(text)
			continue
		}
		addr := conns.Plain(netip.MustParseAddr(text))
		p[i] = netip.PrefixFrom(addr, addr.BitLen())
	}
	return p
}

// Client returns the address of the client that sent r: the peer's, or if that is
// a trusted proxy, the last address in X-Forwarded-For that is not. What is left
// of it was written by the client and proves nothing. If all are trusted, the
// first address counts. No other header names a client.
//
// gin's ClientIP is not used. It believes X-Real-IP, which a client can send
// through a proxy that does not set it, and takes no address with a port.
func (p Proxies) Client(r *http.Request) netip.Addr {
	addr, _ := parseHop(r.RemoteAddr)
	if !p.Contain(addr) {
		return addr
	}
	hops := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for more := true; more && p.Contain(addr); {
		i := strings.LastIndexByte(hops, ',')
		last := hops[i+1:]
		hops, more = hops[:max(i, 0)], i >= 0
		// A hop that names no address ("unknown", "unix:") is skipped. Otherwise all
		// clients behind the proxy that wrote it would share one limit.
		if hop, ok := parseHop(last); ok {
			addr = hop
		}
	}
	return addr
}

// Contain reports whether addr is that of a proxy.
func (p Proxies) Contain(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// parseHop reads an address with or without a port, brackets and quotes.
func parseHop(text string) (addr netip.Addr, ok bool) {
	text = strings.Trim(text, " \t\"")
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return conns.Plain(withPort.Addr()), true
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	addr, err := netip.ParseAddr(text)
	return conns.Plain(addr), err == nil
}
