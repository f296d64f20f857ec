package public_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

var trusted = []string{"127.0.0.0/8", "10.1.2.3/8", "fd00::/8", "::1", "::ffff:172.16.0.1", "fe80::/10"}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	const proxy = "127.0.0.1:50000"
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no header":                     {proxy, nil, "127.0.0.1"},
		"an empty header":               {proxy, []string{""}, "127.0.0.1"},
		"an untrusted peer":             {"192.0.2.1:1234", []string{"203.0.113.7"}, "192.0.2.1"},
		"an untrusted peer, IPv6":       {"[2001:db8::5]:1234", []string{"203.0.113.7"}, "2001:db8::5"},
		"an untrusted peer, a zone":     {"[2001:db8::5%eth0]:1234", nil, "2001:db8::5"},
		"one client":                    {proxy, []string{"203.0.113.7"}, "203.0.113.7"},
		"a peer in mapped form":         {"[::ffff:127.0.0.1]:5", []string{"203.0.113.7"}, "203.0.113.7"},
		"a proxy in mapped form":        {"172.16.0.1:5", []string{"203.0.113.7"}, "203.0.113.7"},
		"a proxy with a zone":           {"[fe80::1%eth0]:5", []string{"203.0.113.7"}, "203.0.113.7"},
		"a client in mapped form":       {proxy, []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		"what the client wrote":         {proxy, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"a trusted address it wrote":    {proxy, []string{"10.0.0.1, 203.0.113.7"}, "203.0.113.7"},
		"two proxies":                   {proxy, []string{"198.51.100.1, 203.0.113.7, 10.0.0.1, 127.0.0.2"}, "203.0.113.7"},
		"two lines":                     {proxy, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"two lines, a proxy in each":    {proxy, []string{"203.0.113.7, 10.0.0.1", "10.0.0.2"}, "203.0.113.7"},
		"only proxies":                  {proxy, []string{"10.0.0.9, 10.0.0.1"}, "10.0.0.9"},
		"no spaces, empty elements":     {proxy, []string{",203.0.113.7,,10.0.0.1, ,\t"}, "203.0.113.7"},
		"a port":                        {proxy, []string{"203.0.113.7:4711"}, "203.0.113.7"},
		"a proxy's port":                {proxy, []string{"203.0.113.7:4711, 10.0.0.1:80"}, "203.0.113.7"},
		"IPv6":                          {proxy, []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 in brackets":              {proxy, []string{"[2001:db8::7]"}, "2001:db8::7"},
		"IPv6 with a port":              {proxy, []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		"IPv6 in quotes":                {proxy, []string{`"[2001:db8::7]:4711"`}, "2001:db8::7"},
		"a zone":                        {proxy, []string{"2001:db8::7%eth0"}, "2001:db8::7"},
		"a zone in brackets":            {proxy, []string{"[2001:db8::7%25eth0]:80, fe80::1%eth0"}, "2001:db8::7"},
		"unknown left of the client":    {proxy, []string{"unknown, 203.0.113.7"}, "203.0.113.7"},
		"unknown right of the client":   {proxy, []string{"203.0.113.7, unknown"}, "203.0.113.7"},
		"unknown between proxies":       {proxy, []string{"203.0.113.7, unknown, 10.0.0.1, unix:"}, "203.0.113.7"},
		"obfuscated":                    {proxy, []string{"203.0.113.7, _hidden, _SEVKISEK:80"}, "203.0.113.7"},
		"only unknown":                  {proxy, []string{"unknown"}, "127.0.0.1"},
		"only unknown behind a proxy":   {proxy, []string{"unknown, 10.0.0.1"}, "10.0.0.1"},
		"no addresses":                  {proxy, []string{"1.2.3, 203.0.113.256, 0x7f.1, 203.0.113.7:x, [::1, ::1], :::, 1.2.3.4.5"}, "127.0.0.1"},
		"a peer that is not an address": {"@", []string{"203.0.113.7"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		r.Header.Set("X-Real-Ip", "198.51.100.99")
		r.Header.Set("Forwarded", "for=198.51.100.99")
		if got := public.ClientAddress(trusted, r).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// The address that a request counts for never comes from the client's own part
// of the header.
func FuzzClientAddress(f *testing.F) {
	for _, seed := range []string{"", "unknown", "203.0.113.7:80", "[::1]:80, 10.0.0.1", "fe80::1%eth0", `"[2001:db8::1]"`, ",,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		for _, client := range []string{"203.0.113.7", "203.0.113.7:1", "[::ffff:203.0.113.7]:1"} {
			r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {written, client + ", 10.0.0.1"}}}
			if got := public.ClientAddress(trusted, r); got != netip.MustParseAddr("203.0.113.7") {
				t.Errorf("%q, %s: got %s", written, client, got)
			}
			r.RemoteAddr = "192.0.2.1:1"
			if got := public.ClientAddress(trusted, r); got != netip.MustParseAddr("192.0.2.1") {
				t.Errorf("%q from an untrusted peer: got %s", written, got)
			}
		}
		r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {written}}}
		if got := public.ClientAddress(trusted, r); !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("%q: got %s", written, got)
		}
	})
}

// X-Real-IP and Forwarded are headers that any client can send, through most
// proxies too.
func TestLimits_OtherHeadersNameNoClient(t *testing.T) {
	t.Parallel()
	for name, proxies := range map[string]string{"no proxy": "", "a proxy": "127.0.0.1"} {
		w := apptest.New(t, wechatsim.Options{})
		w.Env["RATE_LIMIT_PER_IP"] = "1"
		w.Env["TRUSTED_PROXIES"] = proxies
		s := w.Serve()
		for _, header := range []string{"X-Real-IP", "Forwarded", "CF-Connecting-IP", "X-Appengine-Remote-Addr", "True-Client-IP",
			"X-Client-IP"} {
			refused := 0
			for i := range 40 {
				value := fmt.Sprintf("203.0.113.%d", i)
				if header == "Forwarded" {
					value = "for=" + value
				}
				refused += limited(t, s, header, value)
			}
			if refused < 10 {
				t.Errorf("%s, %s: %d of 40 refused", name, header, refused)
			}
		}
	}
}

// Each client behind a proxy has its own limit, in whatever form the proxy
// writes addresses.
func TestLimits_ClientsBehindAProxyAreToldApart(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_IP"] = "1"
	w.Env["TRUSTED_PROXIES"] = "127.0.0.1, 10.0.0.0/8"
	s := w.Serve()
	for i, form := range []string{"%s:4711", "%s, unknown", "unknown, %s", "%s, _hidden, 10.0.0.1:80", "%s, unix:", "::ffff:%s",
		"[::ffff:%s]:80"} {
		for client := range 40 {
			address := fmt.Sprintf("198.51.%d.%d", i, client)
			if limited(t, s, "X-Forwarded-For", fmt.Sprintf(form, address)) != 0 {
				t.Fatalf(form+": client %d is refused for the others", address, client)
			}
		}
		refused := 0
		for range 40 {
			refused += limited(t, s, "X-Forwarded-For", fmt.Sprintf(form, fmt.Sprintf("198.51.%d.200", i)))
		}
		if refused < 10 {
			t.Errorf(form+": %d of 40 refused", "one client", refused)
		}
	}
	for i, form := range []string{"[2001:db8:%d:%x::1]:443", "2001:db8:%d:%x::1%%eth0", "[2001:db8:%d:%x::1%%25eth0]"} {
		for network := range 40 {
			if limited(t, s, "X-Forwarded-For", fmt.Sprintf(form, i, network)) != 0 {
				t.Fatalf("%s: network %d is refused for the others", form, network)
			}
		}
	}
}

// limited returns 1 if a request with the header is refused.
func limited(t *testing.T, s *apptest.Server, header, value string) int {
	t.Helper()
	got := apptest.Request(t, http.MethodGet, s.Public+"/healthz", "", nil, func(r *http.Request) { r.Header.Set(header, value) })
	if got.Status == http.StatusTooManyRequests && strings.Contains(string(got.Body), "rate_limited") {
		return 1
	}
	return 0
}
