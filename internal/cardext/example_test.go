package cardext_test

import (
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/cardext"
)

// The values of WeChat's own example: what a server returns for one card.
func ExampleSign() {
	ext := cardext.Sign("ojZ8YtyVyr30HheH3CM73y7h4jJE",
		cardext.Params{CardID: "pjZ8Yt1XGILfi-FUsewpnnolGgZk", Code: "1434008071", OuterStr: "mp_home"},
		1404896688, "123")
	fmt.Println(ext)
	// Output:
	// {"code":"1434008071","timestamp":1404896688,"nonce_str":"123","outer_str":"mp_home","signature":"f137ab68b7f8112d20ee528ab6074564e2796250"}
}

func ExampleVerify() {
	cardExt := `{"timestamp":"1404896688","code":"1434008071","nonce_str":"123","signature":"f137ab68b7f8112d20ee528ab6074564e2796250"}`
	fmt.Println(cardext.Verify("ojZ8YtyVyr30HheH3CM73y7h4jJE", "pjZ8Yt1XGILfi-FUsewpnnolGgZk", cardExt))
	// Output:
	// <nil>
}

// The signature in WeChat's old example is wrong for the values next to it: its
// author had a space after the ticket.
func ExampleExplain() {
	cardExt := `{"code":"jonyqin_1434008071","timestamp":"1404896688","nonce_str":"jonyqin","signature":"6b81fbf6af16e856334153b39737556063c82689"}`
	report := cardext.Explain("ojZ8YtyVyr30HheH3CM73y7h4jJE", "pjZ8Yt1XGILfi-FUsewpnnolGgZk", cardExt,
		cardext.Facts{Now: time.Date(2014, 7, 9, 9, 5, 0, 0, time.UTC)})
	fmt.Println(report.Verifies, report.Cause)
	for _, f := range report.Also {
		fmt.Println("also", f.Cause)
	}
	fmt.Println(report.Values)
	// Output:
	// false ticket_whitespace
	// also code_characters
	// [1404896688 jonyqin jonyqin_1434008071 *** pjZ8Yt1XGILfi-FUsewpnnolGgZk]
}
