//go:build !race

package docstest

var buildFlags = []string{"-ldflags=-w"}
