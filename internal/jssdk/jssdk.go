// Package jssdk signs the configuration of WeChat's JS-SDK in web pages
// (wx.config), for a shop that also hands cards out in a browser inside WeChat.
//
// It signs pages of the shop's own hosts only: a signature makes a page look
// like the Official Account's.
package jssdk

import (
	"context"
	"crypto/sha1" // WeChat's protocol
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrURL is returned for a page that is not on an allowed host.
var ErrURL = errors.New("jssdk: not an http or https URL of an allowed host")

// Config is what wx.config takes besides the list of functions.
type Config struct {
	AppID     string
	Timestamp int64 // seconds
	NonceStr  string
	Signature string
}

// Service is safe for concurrent use.
type Service struct {
	AppID string   // the Official Account's
	Hosts []string // with the port, if it is not the usual one
	// Ticket returns the jsapi_ticket. It may wait for one fetch.
	Ticket func(ctx context.Context) (string, error)
	Nonce  func() string
	Now    func() time.Time
}

// Config signs for the page at address, whose fragment does not count (page
// "JS-SDK使用权限签名算法"). It returns ErrURL, or why there is no ticket.
func (s *Service) Config(ctx context.Context, address string) (Config, error) {
	address, _, _ = strings.Cut(address, "#")
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || !slices.Contains(s.Hosts, u.Host) {
		return Config{}, ErrURL
	}
	ticket, err := s.Ticket(ctx)
	if err != nil {
		return Config{}, fmt.Errorf("sign a page: %w", err)
	}
	c := Config{AppID: s.AppID, Timestamp: s.Now().Unix(), NonceStr: s.Nonce()}
	c.Signature = Sign(ticket, c.NonceStr, c.Timestamp, address)
	return c, nil
}

// Sign is the signature of wx.config: of the page's URL as the browser has it,
// not escaped again and without its fragment.
func Sign(ticket, nonce string, timestamp int64, address string) string {
	sum := sha1.Sum([]byte("jsapi_ticket=" + ticket + "&noncestr=" + nonce + "&timestamp=" + strconv.FormatInt(timestamp, 10) + "&url=" + address))
	return hex.EncodeToString(sum[:])
}
