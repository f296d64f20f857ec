package postgres

import "syscall"

// dieWithTest has the kernel end the server when the test binary was killed.
func dieWithTest() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
