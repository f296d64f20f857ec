//go:build !linux

package postgres

import "syscall"

func dieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
