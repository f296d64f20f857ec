//go:build !linux

package redis

import "syscall"

// dieWithTest does nothing here: a killed test binary leaves its servers behind.
func dieWithTest() *syscall.SysProcAttr { return nil }
