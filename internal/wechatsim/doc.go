// Package wechatsim simulates WeChat for development and tests: the API at
// api.weixin.qq.com, the phone of a user who taps "add to wallet", and the card
// events. It is not for production and it is not complete: README.md lists what it
// does not reproduce.
//
// It imports nothing of addcard outside this directory. Its signatures, its AES
// envelope and its XML are written a second time from the same documents: the
// agreement of the two implementations is the test.
//
//	sim := wechatsim.New(wechatsim.Options{})
//	server := httptest.NewServer(sim.Handler())
//	defer server.Close()
//	defer sim.Close()
//
// WeChat's own paths answer as WeChat does (HTTP 200 and an errcode). Paths under
// /_sim/ are the control API, in plain JSON with ordinary HTTP statuses; GET /_sim/
// describes both.
//
// # Faults and assumptions
//
// A [Sim] enforces what WeChat enforces and fails only on request: faults are
// queued through the control API, drawn from one seed, and absent by default. Where
// WeChat's behaviour is uncertain, [Assumptions] has a named switch; its first
// choice is the default. The control API and the sandbox call such a switch a
// guess. Identifiers and secrets are random at each start unless [Options] sets
// them, so that tests cannot depend on them.
//
// # Where to find things
//
// A file's prefix names the part it belongs to:
//
//   - api_: WeChat's HTTP API. api.go has the table of its paths and the checks
//     that all calls have in common; the other files have one group of calls each.
//   - phone_ and phone.go: what a user does on the phone, wx.addCard first.
//   - control_ and control.go: the control API under /_sim/.
//   - no prefix: the state that these parts share (account, person, card, wallet),
//     the clock, and the events that changes of the state cause.
//
// Package push, which signs and sends those events, and package signature are
// below this package. The parts above are one package because each reads and
// changes most of the state under one lock: packages of their own would export
// every field of it and hide nothing.
package wechatsim
