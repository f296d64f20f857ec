//go:build !race

package docs

var buildFlags = []string{"-ldflags=-w"}
