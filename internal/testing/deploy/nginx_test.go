//go:build linux

package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // WeChat's signature
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/process"
	"github.com/addcard/addcard/internal/testing/server"
)

// nginx with the file of deploy/compose serves the public listeners of two replicas over
// TLS, and nothing of the operator's.
func TestNginx(t *testing.T) {
	t.Parallel()
	env := append(server.Environ(t.TempDir(), "http://127.0.0.1:9"), "RATE_LIMIT_PER_IP=2", "TRUSTED_PROXIES=127.0.0.1")
	var replicas []*server.Server
	for range 2 {
		s, err := server.LaunchProgram(t, release(t), env)
		if err != nil {
			t.Fatal(err)
		}
		replicas = append(replicas, s)
	}
	plain, secure, roots := startNginx(t, replicas)

	client := clientFrom("127.0.0.2", roots)
	resp, err := client.Get("http://" + plain + "/docs/?a=b")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMovedPermanently || resp.Header.Get("Location") != "https://127.0.0.1/docs/?a=b" {
		t.Errorf("plain HTTP: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	resp, err = client.Get("https://" + secure + callback("hello"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || string(body) != "hello" || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("WeChat's check of the callback: %d %q, %v", resp.StatusCode, body, resp.Header)
	}
	for _, path := range []string{"/metrics", "/v1/members", "/v1/outbox", "/login", "/debug/pprof/"} {
		if got := status(clientFrom("127.0.0.9", roots), "https://"+secure+path); got != http.StatusNotFound {
			t.Errorf("%s of the operator: %d", path, got)
		}
	}

	// Each client has its own limit, whatever header it sends.
	noisy, other := clientFrom("127.0.0.3", roots), clientFrom("127.0.0.4", roots)
	noisy.Transport = spoofing{noisy.Transport}
	eventually(t, "a client that sends too much gets 429", func() bool {
		for range 50 {
			if status(noisy, "https://"+secure+"/v1/me") == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	})
	if got := status(other, "https://"+secure+"/v1/me"); got != http.StatusUnauthorized {
		t.Errorf("another client: %d", got)
	}

	replicas[0].Kill()
	for i := range 6 {
		if got := status(clientFrom("127.0.1."+strconv.Itoa(i), roots), "https://"+secure+"/readyz"); got != http.StatusOK {
			t.Errorf("with one replica: %d", got)
		}
	}
}

// startNginx starts nginx with the file of deploy/compose, in which addresses and paths
// are those of the test, and returns its addresses and its certificate.
func startNginx(t *testing.T, replicas []*server.Server) (plain, secure string, roots *x509.CertPool) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx" // not in the PATH of every user
	}
	if _, err := os.Stat(nginx); err != nil {
		t.Fatal("nginx is not installed; on Debian: apt-get install nginx-light")
	}
	dir := t.TempDir()
	roots = writeCertificate(t, dir)
	plain, secure = process.FreeAddr(t), process.FreeAddr(t)
	raw, err := os.ReadFile(filepath.Join(root, "deploy/compose/nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for from, to := range map[string]string{
		"listen 80;": "listen " + plain + ";", "listen [::]:80;": "", "listen 443 ssl;": "listen " + secure + " ssl;", "listen [::]:443 ssl;": "",
		"server addcard-1:8080": "server " + strings.TrimPrefix(replicas[0].Public, "http://"),
		"server addcard-2:8080": "server " + strings.TrimPrefix(replicas[1].Public, "http://"),
		"/etc/nginx/tls/":       dir + "/", "/dev/stdout": dir + "/access.log", "/dev/stderr": dir + "/error.log",
	} {
		if !strings.Contains(text, from) {
			t.Fatalf("nginx.conf has no %q", from)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-p", dir, "-e", dir + "/error.log", "-c", conf, "-g", "daemon off; pid " + dir + "/nginx.pid;"}
	run(t, nil, nginx, append([]string{"-t", "-q"}, args...)...)
	start(t, os.Environ(), dir, nginx, args...)
	eventually(t, "nginx listens", func() bool {
		return status(clientFrom("127.0.0.8", roots), "https://"+secure+"/healthz") == http.StatusOK
	})
	return plain, secure, roots
}

// writeCertificate writes cert.pem and key.pem of 127.0.0.1 into dir.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	files := map[string][]byte{"cert.pem": cert, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// clientFrom returns a client at a loopback address of its own, which follows no redirect.
func clientFrom(addr string, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, to)
			},
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// spoofing names another client in X-Forwarded-For in each request.
type spoofing struct{ http.RoundTripper }

func (s spoofing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", "198.51.100."+strconv.Itoa(int(time.Now().UnixNano()%250)))
	return s.RoundTripper.RoundTrip(r)
}

// callback returns the path and query with which WeChat checks the callback.
func callback(echo string) string {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	parts := []string{"callbacktoken", stamp, "nonce"}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // as above
	return "/wechat/callback?" + url.Values{
		"signature": {hex.EncodeToString(sum[:])}, "timestamp": {stamp}, "nonce": {"nonce"}, "echostr": {echo},
	}.Encode()
}
