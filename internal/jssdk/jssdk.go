// Package jssdk signs the configuration of WeChat's JS-SDK (wx.config) for the
// web pages of a shop that also offers cards in WeChat's browser. It does not
// sign pages of other hosts: a signature gives a page the identity of the
// Official Account.
package jssdk

import (
	"context"
	"crypto/sha1" // WeChat's protocol
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrURL is returned by [Service.Config] for a page that is not on an allowed
// host.
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
	AppID string   // of the Official Account
	Hosts []string // the allowed hosts, with the port unless it is the default
	// Ticket returns the jsapi_ticket. It may block for one fetch.
	Ticket func(ctx context.Context) (string, error)
	Nonce  func() string
	Now    func() time.Time
}

// Config signs the page at address, without its fragment (WeChat's page
// "JS-SDK使用权限签名算法"). Errors: ErrURL; the error of Ticket, wrapped.
func (s *Service) Config(ctx context.Context, address string) (Config, error) {
	address, _, _ = strings.Cut(address, "#")
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || !slices.Contains(s.Hosts, u.Host) {
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

// Sign returns the signature for wx.config. address is the URL of the page as
// the browser has it, not escaped again and without the fragment.
func Sign(ticket, nonce string, timestamp int64, address string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "jsapi_ticket=%s&noncestr=%s&timestamp=%d&url=%s", ticket, nonce, timestamp, address))
	return hex.EncodeToString(sum[:])
}
