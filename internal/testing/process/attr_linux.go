package process

import "syscall"

// DieWithTest returns attributes with which the kernel sends sig to the process
// when the test binary was killed. The kernel does so when the thread that
// started the process ends; Go ends a thread only when a goroutine that was
// locked to it ends.
func DieWithTest(sig syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: sig}
}
