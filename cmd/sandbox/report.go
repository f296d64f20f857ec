package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/addcard/addcard/internal/wechatsim"
)

// consoleLink returns a link with which the owner signs in to the console, once.
func (sb *sandbox) consoleLink(ctx context.Context) (string, error) {
	base := "http://" + sb.app.AdminAddr()
	var link struct{ Secret string }
	if err := exchange(ctx, http.MethodPost, base+"/v1/staff/owner/link", sb.adminToken, nil, &link); err != nil {
		return "", fmt.Errorf("make a link to the console: %w", err)
	}
	return base + "/login?link=" + link.Secret, nil
}

// printLinks prints where the sandbox serves. Together with printOutcome it is at most
// 15 lines.
func (sb *sandbox) printLinks(out io.Writer, console string) {
	_, _ = fmt.Fprintf(out, `Everything runs on this machine; WeChat is simulated.
  phone        %[1]s%[2]s   take a card, and spend at the till
  web page     %[7]s
  console      %[3]s   once, within half an hour
  public API   %[4]s   documentation: %[4]s/docs/
  admin API    http://%[5]s   ADMIN_TOKEN of this run: %[6]s
  WeChat       %[1]s   what else you can try, and what is not simulated

`, sb.wechatURL, phonePath, console, sb.publicURL, sb.app.AdminAddr(), sb.adminToken, sb.h5Link())
}

// printOutcome prints what play has done.
func printOutcome(out io.Writer, cardExt string) {
	_, _ = fmt.Fprintf(out, `A user, Ming, logged in, took the card %s, and has 30 points: every step worked (--steps shows each).
The cardExt that the phone took: %s
`, demoCardID, cardExt)
}

// printNext prints how to go on. Programs that start a sandbox wait for its last line.
func printNext(out io.Writer) {
	_, _ = fmt.Fprint(out, `
Next: docs/walkthrough.md; --demo begins with 30 days of a shop's life; --guesses lists what is uncertain about WeChat.
Serving until Ctrl-C.
`)
}

// printGuesses prints what the simulator proves and what it does not.
func printGuesses(out io.Writer, g wechatsim.Assumptions) {
	_, _ = fmt.Fprint(out, `WeChat's tokens, tickets, logins, cards and the phone's check of cardExt are simulated strictly
from WeChat's documents (internal/wechatsim/README.md). The simulator was never compared with WeChat itself. Where
the documents are silent or contradict each other it makes an assumption, which --guess NAME=VALUE changes:
`)
	for _, g := range g.List() {
		others := slices.DeleteFunc(g.Choices, func(choice string) bool { return choice == g.Value })
		_, _ = fmt.Fprintf(out, "  %-34s %s [or %s]\n", g.Name+"="+g.Value, g.About, strings.Join(others, ", "))
	}
	_, _ = fmt.Fprint(out, `
Also uncertain, and simulated on request: a frozen account (errcode 50007, POST /_sim/faults), and whether the
phone's report or WeChat's event comes first (POST /_sim/events/faults). WeChat's other hosts need another
WECHAT_API_URL. QR codes for several cards are not simulated.
`)
}
