// Package wechatsim stands in for WeChat: for api.weixin.qq.com, for the phone
// of a user who taps "add to wallet", and for the sender of card events, so that
// everything can be developed and tested offline. It is not for production, it
// shows no pictures, and it does not claim to be complete: README.md lists what
// it does not reproduce.
//
// It imports nothing of addcard. Its signature, its AES envelope and its XML are
// written a second time from the same facts, and the agreement of the two
// implementations is the test.
//
// A [Sim] enforces what WeChat enforces and is unkind only on request: faults are
// queued through the control API, drawn from one seed, and absent by default.
// Where the facts about WeChat are uncertain there is a named switch in
// [Guesses]; the first choice of each is the default. Identifiers and secrets are
// random at each start unless [Options] fixes them, so that nobody can come to
// depend on them.
//
//	sim := wechatsim.New(wechatsim.Options{})
//	server := httptest.NewServer(sim.Handler())
//	defer server.Close()
//	defer sim.Close()
//
// WeChat's own paths answer as on the wire (HTTP 200 and an errcode); everything
// under /_sim/ is the control API, in plain JSON with ordinary HTTP statuses.
// GET /_sim/ describes both.
package wechatsim
