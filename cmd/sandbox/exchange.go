package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// client uses no proxy: both sides of the sandbox are on this machine.
var client = &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}

// exchange sends one request and decodes a 2xx answer into answer, unless that is
// nil. headers are names and values in turn. Its errors contain no URL, because
// WeChat's URLs contain secrets.
func exchange(ctx context.Context, method, target, token string, body []byte, answer any, headers ...string) error {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return unwrapURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("HTTP %d %s", resp.StatusCode, bytes.TrimSpace(raw))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(raw, answer)
}

// unwrapURL returns an error of net/http without the URL.
func unwrapURL(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
