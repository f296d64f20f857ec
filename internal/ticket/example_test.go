package ticket_test

import (
	"context"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// Two replicas share one store: WeChat is asked once.
func Example() {
	asked := 0
	issue := func(context.Context) (string, time.Duration, error) {
		asked++
		return "kgt8ON7yVITDhtdwci0qeZ", 7200 * time.Second, nil
	}
	store, err := ticket.Seal(tickettest.NewMemory(), "the account's AppSecret")
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		replica := ticket.New("wx:wx1234567890abcdef:wx_card", issue, store, ticket.Options{})
		value, err := replica.Ticket(context.Background())
		fmt.Println(value, err)
		replica.Close()
	}
	fmt.Println("asked:", asked)
	// Output:
	// kgt8ON7yVITDhtdwci0qeZ <nil>
	// kgt8ON7yVITDhtdwci0qeZ <nil>
	// asked: 1
}

// A call was answered 40001: reject the very value it used, and repeat it once
// with what the fleet has then.
func ExampleSource_Invalidate() {
	n := 0
	token := ticket.New("wx:wx1234567890abcdef:access_token",
		func(context.Context) (string, time.Duration, error) {
			n++
			return fmt.Sprintf("token-%d", n), 7200 * time.Second, nil
		},
		tickettest.NewMemory(),
		ticket.Options{RenewFrom: 5 * time.Minute, RenewTo: 4 * time.Minute, TTLIsLeft: true})
	defer token.Close()
	ctx := context.Background()

	used, _ := token.Ticket(ctx)
	fmt.Println(used, "is answered 40001")
	if err := token.Invalidate(ctx, used); err != nil {
		fmt.Println(err) // the call's own error is the answer then
		return
	}
	used, _ = token.Ticket(ctx)
	fmt.Println(used)

	err := token.Invalidate(ctx, used) // again, a moment later
	fmt.Println(err)
	// Output:
	// token-1 is answered 40001
	// token-2
	// ticket: rejected too soon after the last fetch: the fleet is in back-off
}
