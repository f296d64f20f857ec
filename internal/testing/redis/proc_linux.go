package redis

import "syscall"

// dieWithTest has the kernel end a server whose test binary was killed. The
// signal follows the thread that started it; Go ends no thread that no
// goroutine was locked to.
func dieWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
