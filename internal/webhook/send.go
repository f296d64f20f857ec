package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Attempt is what became of one attempt. Status is 0 if there was no answer.
type Attempt struct {
	Status   int
	Err      error // nil if it was delivered
	Duration time.Duration
}

// Test sends an event of the type webhook.test at once, and blocks until the endpoint
// has answered, at most 10 s. It also works for an endpoint that is switched off. It
// returns ErrNotFound for an unknown one; that the endpoint fails is no error.
func (s *Service) Test(ctx context.Context, id string) (Attempt, error) {
	e, err := s.store.Endpoint(ctx, id)
	if err != nil {
		return Attempt{}, fmt.Errorf("test an endpoint: %w", err)
	}
	return s.attempt(ctx, e, Delivery{
		ID: "evt_test_" + uuid.NewString(), Type: TestType, Data: "{}", HappenedAt: s.Now().Truncate(time.Millisecond),
	}), nil
}

// attempt sends a delivery once.
func (s *Service) attempt(ctx context.Context, e Endpoint, d Delivery) (a Attempt) {
	began := time.Now()
	a.Status, a.Err = s.post(ctx, e, d)
	a.Duration = time.Since(began)
	return a
}

// post sends a delivery and returns the status of the answer, and an error unless that
// is 2xx. The error does not have the URL.
func (s *Service) post(ctx context.Context, e Endpoint, d Delivery) (status int, err error) {
	body, err := d.body()
	if err != nil {
		return 0, fmt.Errorf("encode the event: %w", err)
	}
	secrets, err := s.secrets(e)
	if err != nil {
		return 0, err
	}
	if problem := s.checkURL(e.URL); problem != "" { // what is allowed may have changed
		return 0, errors.New("the URL " + problem)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the URL is not valid")
	}
	at := strconv.FormatInt(s.Now().Unix(), 10)
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"addcard-webhook"},
		"Webhook-Id": {d.ID}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signatures(secrets, d.ID, at, body)},
	}
	res, err := s.client.Do(req)
	if err != nil {
		var about *url.Error // its text has the URL
		if errors.As(err, &about) {
			err = about.Err
		}
		return 0, fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return res.StatusCode, fmt.Errorf("the endpoint answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	return res.StatusCode, nil
}

// signatures returns the header webhook-signature: one signature for each secret.
func signatures(secrets [][]byte, id, at string, body []byte) string {
	list := make([]string, len(secrets))
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
		list[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(list, " ")
}
