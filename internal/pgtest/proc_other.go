//go:build !linux

package pgtest

import "syscall"

func dieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
