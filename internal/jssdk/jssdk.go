// Package jssdk signs the configuration of WeChat's JS-SDK (wx.config) for the
// web pages of a shop that also offers cards in WeChat's browser. It does not
// sign pages of other hosts: a signature gives a page the identity of the
// Official Account.
package jssdk

import (
	"cmp"
	"context"
	"crypto/sha1" // WeChat's protocol
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrURL is returned by [Service.Config] for a page that is not on an allowed
// host, and for a text that is no page's address in a browser.
var ErrURL = errors.New("jssdk: not an http or https URL of an allowed host")

// Config has the values of wx.config other than the list of functions.
type Config struct {
	AppID     string
	Timestamp int64 // seconds
	NonceStr  string
	Signature string
}

// Service signs pages. It is safe for concurrent use.
type Service struct {
	AppID string // of the Official Account
	// Hosts are the allowed hosts. Upper and lower case are the same, and so is a
	// dot at the end. A host without a port allows the default port of http and of
	// https. A name in other letters than ASCII is in punycode, as browsers send it.
	Hosts []string
	// Ticket returns the jsapi_ticket. It may block for one fetch.
	Ticket func(ctx context.Context) (string, error)
	Nonce  func() string
	Now    func() time.Time
}

// Config signs the page at address, without its fragment (WeChat's page
// "JS-SDK使用权限签名算法"). Errors: ErrURL; the error of Ticket, wrapped.
func (s *Service) Config(ctx context.Context, address string) (Config, error) {
	address, _, _ = strings.Cut(address, "#")
	if !s.Allows(address) {
		return Config{}, ErrURL
	}
	ticket, err := s.Ticket(ctx)
	if err != nil {
		return Config{}, fmt.Errorf("sign page: %w", err)
	}
	c := Config{AppID: s.AppID, Timestamp: s.Now().Unix(), NonceStr: s.Nonce()}
	c.Signature = Sign(ticket, c.NonceStr, c.Timestamp, address)
	return c, nil
}

// pageForm has the groups scheme, host and port. It does not use net/url, which
// refuses a path such as /50%off; browsers accept it. A browser reads a backslash
// before the query as a slash, so no address has one there.
var pageForm = regexp.MustCompile(`^([Hh][Tt][Tt][Pp][Ss]?)://([0-9A-Za-z.-]+)(?::([0-9]{1,5}))?(?:/[^?\\]*)?(?:\?.*)?$`)

// Allows reports whether address, with or without a fragment, is that of a page on an
// allowed host.
func (s *Service) Allows(address string) bool {
	page, _, _ := strings.Cut(address, "#")
	parts := pageForm.FindStringSubmatch(page)
	if parts == nil || !utf8.ValidString(page) || strings.ContainsFunc(page, notInAddress) {
		return false
	}
	byDefault := "443"
	if strings.EqualFold(parts[1], "http") {
		byDefault = "80"
	}
	host := foldHost(parts[2])
	port := cmp.Or(parts[3], byDefault)
	return slices.ContainsFunc(s.Hosts, func(allowed string) bool {
		own, allowedPort, _ := strings.Cut(allowed, ":")
		return foldHost(own) == host && cmp.Or(allowedPort, byDefault) == port
	})
}

// notInAddress reports whether browsers escape or drop r in an address.
func notInAddress(r rune) bool { return r == ' ' || unicode.IsControl(r) }

func foldHost(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// Sign returns the signature for wx.config. address is the URL of the page as
// the browser has it, not escaped again and without the fragment.
func Sign(ticket, nonce string, timestamp int64, address string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "jsapi_ticket=%s&noncestr=%s&timestamp=%d&url=%s", ticket, nonce, timestamp, address))
	return hex.EncodeToString(sum[:])
}
