//go:build race

package ticket_test

// raceDetector is for tests of one simulated clock, which take ten times as long with
// the detector: scripts/test.sh also runs this package without it, in full.
const raceDetector = true
