package push

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/signature"
)

// Delivery is one event in the log of a [Sender]. State is waiting, delivered,
// failed (no try succeeded), dropped (by a fault) or unsent (no callback is set,
// or the Sender was closed).
type Delivery struct {
	ID         int               `json:"id"`
	Event      string            `json:"event"`
	OpenID     string            `json:"openid"`
	CreateTime int64             `json:"create_time"` // by WeChat's clock
	Fields     map[string]string `json:"fields"`
	State      string            `json:"state"`
	Tries      []Try             `json:"tries"`
}

// copy returns a copy of d that does not change any more.
func (d *Delivery) copy() Delivery {
	out := *d
	out.Tries = append([]Try{}, d.Tries...)
	return out
}

// Try is one attempt to deliver. Outcome is success, timeout, unreachable,
// status (not 200) or answer (neither "success" nor empty).
type Try struct {
	At      time.Time `json:"at"` // real time
	Outcome string    `json:"outcome"`
	Status  int       `json:"status,omitempty"`
	Millis  int64     `json:"ms"`
}

// deliver tries up to three times. Its signatures carry real time, not the time
// of WeChat's clock.
func (s *Sender) deliver(j *job) {
	signed, err := j.sign(time.Now().Unix())
	for n := range maxTries {
		if n > 0 && j.resign {
			signed, err = j.sign(time.Now().Unix())
		}
		if err != nil {
			break
		}
		try := s.try(signed)
		s.record(j, try)
		if try.Outcome == "success" {
			return
		}
		if try.Outcome != "timeout" && n < maxTries-1 {
			s.pause(s.timeout / 5)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.delivery.State = "failed"
}

func (s *Sender) record(j *job, t Try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.delivery.Tries = append(j.delivery.Tries, t)
	if t.Outcome == "success" {
		j.delivery.State = "delivered"
	}
}

// try sends the message once. It ends early when the Sender closes.
func (s *Sender) try(m signedMessage) Try {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	s.work.Go(func() {
		select {
		case <-s.closed:
			cancel()
		case <-ctx.Done():
		}
	})
	start := time.Now()
	t := Try{At: start.UTC()}
	t.Outcome, t.Status = s.post(ctx, m)
	t.Millis = time.Since(start).Milliseconds()
	return t
}

func (s *Sender) post(ctx context.Context, m signedMessage) (outcome string, status int) {
	req, err := m.request(ctx)
	if err != nil {
		return "unreachable", 0
	}
	return s.exchange(req, func(answer string) bool { return answer == "" || answer == "success" })
}

// exchange makes one request; good reports whether the answer is a right one.
func (s *Sender) exchange(req *http.Request, good func(answer string) bool) (outcome string, status int) {
	res, err := s.client.Do(req)
	if err != nil {
		return failure(err), 0
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	switch {
	case err != nil:
		return failure(err), res.StatusCode
	case res.StatusCode != http.StatusOK:
		return "status", res.StatusCode
	case !good(string(answer)):
		return "answer", res.StatusCode
	}
	return "success", res.StatusCode
}

// failure returns the outcome of a request that err ended.
func failure(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "unreachable"
}

// Verification is the result of [Sender.Verify].
type Verification struct {
	OK      bool   `json:"ok"`
	Outcome string `json:"outcome"` // success, timeout, unreachable or answer
	Status  int    `json:"status,omitempty"`
}

// Verify makes the check that WeChat makes when a merchant enters a callback: a
// signed GET that must return its echostr.
func (s *Sender) Verify(ctx context.Context) Verification {
	c := s.Callback()
	target, err := url.Parse(c.URL)
	if err != nil {
		return Verification{Outcome: "unreachable"}
	}
	stamp, nonce, echo := strconv.FormatInt(time.Now().Unix(), 10), randomDigits(10), randomDigits(19)
	q := target.Query()
	q.Set("signature", signature.Sorted(c.Token, stamp, nonce))
	q.Set("timestamp", stamp)
	q.Set("nonce", nonce)
	q.Set("echostr", echo)
	target.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return Verification{Outcome: "unreachable"}
	}
	outcome, status := s.exchange(req, func(answer string) bool { return answer == echo })
	if outcome == "status" {
		outcome = "answer" // the one word for both
	}
	return Verification{OK: outcome == "success", Outcome: outcome, Status: status}
}
