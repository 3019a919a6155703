package main

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"
)

// User-mode Linux moves the registers of its programs with PTRACE_SETREGSET, in
// a buffer whose size it was built with. Newer CPUs (those with AMX) have more
// registers, their kernels refuse half of them, and the first program dies. If
// it is told that there is no such request, it uses the older one, which keeps
// what SSE needs. So programs must do without AVX: without that the threads of
// one would spoil each other's registers. Those written in Go can, and
// those of the GNU C library if told.

const (
	ptraceGetRegset, ptraceSetRegset = 0x4204, 0x4205
	ntX86Xstate                      = 0x202

	// debug is the variable that tells programs in Go to do without AVX.
	debug, withoutAVX = "GODEBUG=", "cpu.all=off"
	// libcWithoutAVX tells programs of the GNU C library.
	libcWithoutAVX = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load,-XSAVE,-XSAVEC"

	seccompModeFilter = 2
	seccompAllow      = 0x7fff0000
	seccompErrno      = 0x00050000
	prSetNoNewPrivs   = 38
)

// The fields of what a filter sees.
const (
	offsetNumber  = 0
	offsetRequest = 16 // the low half of the first argument
	offsetType    = 32 // of the third
)

// hideXstate makes the calling thread and its children do without the requests.
func hideXstate() error {
	load := func(at uint32) syscall.SockFilter {
		return syscall.SockFilter{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: at}
	}
	is := func(value uint32, yes, no uint8) syscall.SockFilter {
		return syscall.SockFilter{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: value, Jt: yes, Jf: no}
	}
	answer := func(value uint32) syscall.SockFilter {
		return syscall.SockFilter{Code: syscall.BPF_RET | syscall.BPF_K, K: value}
	}
	filter := []syscall.SockFilter{
		load(offsetNumber), is(syscall.SYS_PTRACE, 0, 6),
		load(offsetRequest), is(ptraceGetRegset, 1, 0), is(ptraceSetRegset, 0, 3),
		load(offsetType), is(ntX86Xstate, 0, 1),
		answer(seccompErrno | uint32(syscall.ENODEV)),
		answer(seccompAllow),
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, failed := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); failed != 0 {
		return fmt.Errorf("give up new privileges: %w", failed)
	}
	if _, _, failed := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_SECCOMP, seccompModeFilter, uintptr(unsafe.Pointer(&program))); failed != 0 {
		return fmt.Errorf("filter the system call ptrace: %w", failed)
	}
	return nil
}

// withoutNewRegisters is an environment for programs that do without AVX.
func withoutNewRegisters(environment []string) []string {
	flags, out := withoutAVX, []string{libcWithoutAVX}
	for _, e := range environment {
		if before, found := strings.CutPrefix(e, debug); found {
			flags = before + "," + flags
			continue
		}
		out = append(out, e)
	}
	return append(out, debug+flags)
}
