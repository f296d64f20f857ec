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
	// What go-redis says of the faults that are made here would bury the results.
	redisstore.LogTo(slog.New(slog.DiscardHandler))
	code, err := trusting(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// trusting runs run in a process that trusts the certificate in SSL_CERT_FILE,
// one of localhost, with its key. A process reads what it trusts only once.
func trusting(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "redisstore")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	text, err := certify()
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

// certify returns a certificate of localhost, which is its own root, and its key.
func certify() ([]byte, error) {
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
