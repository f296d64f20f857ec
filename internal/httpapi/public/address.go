package public

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks of the proxies that may set X-Forwarded-For.
type proxies []netip.Prefix

// parseProxies panics for what is neither an address nor a network; the
// configuration has been checked.
func parseProxies(list []string) proxies {
	p := make(proxies, len(list))
	for i, text := range list {
		if strings.Contains(text, "/") {
			p[i] = netip.MustParsePrefix(text)
			continue
		}
		addr := plain(netip.MustParseAddr(text))
		p[i] = netip.PrefixFrom(addr, addr.BitLen())
	}
	return p
}

// client returns the address of the client that sent r: the peer's, or if that is
// a trusted proxy, the last address in X-Forwarded-For that is not. What is left
// of it was written by the client and proves nothing. If all are trusted, the
// first address counts. No other header names a client.
//
// gin's ClientIP is not used. It believes X-Real-IP, which a client can send
// through a proxy that does not set it, and takes no address with a port.
func (p proxies) client(r *http.Request) netip.Addr {
	addr, _ := parseHop(r.RemoteAddr)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.contain(addr); i-- {
		// A hop that names no address ("unknown", "unix:") is skipped. Otherwise all
		// clients behind the proxy that wrote it would share one limit.
		if hop, ok := parseHop(hops[i]); ok {
			addr = hop
		}
	}
	return addr
}

func (p proxies) contain(addr netip.Addr) bool {
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
		return plain(withPort.Addr()), true
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	addr, err := netip.ParseAddr(text)
	return plain(addr), err == nil
}

// plain returns addr without a zone, and as IPv4 if it is that in IPv6 form.
func plain(addr netip.Addr) netip.Addr { return addr.WithZone("").Unmap() }
