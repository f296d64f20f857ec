package ticket_test

import (
	"context"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// Two replicas share one Store: one fetch serves both.
func Example() {
	fetches := 0
	fetch := func(context.Context) (string, time.Duration, error) {
		fetches++
		return "kgt8ON7yVITDhtdwci0qeZ", 7200 * time.Second, nil
	}
	store, err := ticket.Seal(tickettest.NewMemory(), "the account's AppSecret")
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		replica := ticket.New("wx:wx1234567890abcdef:wx_card", fetch, store, ticket.Options{})
		value, err := replica.Ticket(context.Background())
		fmt.Println(value, err)
		replica.Close()
	}
	fmt.Println("fetches:", fetches)
	// Output:
	// kgt8ON7yVITDhtdwci0qeZ <nil>
	// kgt8ON7yVITDhtdwci0qeZ <nil>
	// fetches: 1
}

// WeChat answered a call with 40001: report the value that the call used, and
// repeat the call once with the value that the fleet has then.
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
	fmt.Println(used, "is rejected with 40001")
	if err := token.Invalidate(ctx, used); err != nil {
		fmt.Println(err) // the caller gets the error of its call
		return
	}
	used, _ = token.Ticket(ctx)
	fmt.Println(used)

	err := token.Invalidate(ctx, used) // once more, at once
	fmt.Println(err)
	// Output:
	// token-1 is rejected with 40001
	// token-2
	// ticket: rejected too soon after the last fetch: the fleet is in back-off
}
