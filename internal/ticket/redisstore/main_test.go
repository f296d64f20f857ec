package redisstore_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ticket/redisstore"
)

func TestMain(m *testing.M) {
	// The log of go-redis about the injected faults would hide the results.
	redisstore.LogTo(slog.New(slog.DiscardHandler))
	code, err := withCertificate(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withCertificate calls run after it has set SSL_CERT_FILE to a file with a new
// certificate for localhost and its key. A process reads its trusted
// certificates only once.
func withCertificate(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "redisstore")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	text, err := newCertificate()
	if err != nil {
		return 0, err
	}
	file := filepath.Join(dir, "localhost.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return 0, err
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		return 0, err
	}
	return run(), nil
}

// newCertificate returns a self-signed certificate for localhost and its key.
func newCertificate() ([]byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}, nil), nil
}
