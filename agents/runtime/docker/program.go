package docker

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// The process of a sandbox only waits. A Go program that waits takes 11 MB
// and 25 ms of CPU a pod; the one below takes a page and nothing. It is so
// small that it is kept as machine code, with its assembly beside it:
//
//	ignore SIGCHLD: the kernel then reaps the pod's orphans by itself
//	on SIGTERM and SIGINT: exit 0
//	when enterPath can be opened: enter that network namespace, or exit 1
//	wait for ever
//
// Processors without code here use segno's own program, as "segno pause".
// The tests run it as a process, and the host's tests as a sandbox.

// waiting is the program for one processor.
type waiting struct {
	machine elf.Machine
	code    []byte // ends at a multiple of eight; the data follow
	exit    uint64 // offset of the code that exits with 0
}

// programFor answers the program for a processor, as Docker and Go name it.
func programFor(arch string) ([]byte, bool) {
	switch arch {
	case "amd64", "x86_64":
		return waiting{elf.EM_X86_64, amd64Code, 0x70}.file(), true
	case "arm64", "aarch64":
		code := make([]byte, 0, 4*len(arm64Code))
		for _, word := range arm64Code {
			code = binary.LittleEndian.AppendUint32(code, word)
		}
		return waiting{elf.EM_AARCH64, code, 0x80}.file(), true
	default:
		return nil, false
	}
}

const (
	imageBase   = 0x400000
	headersSize = 64 + 56 // of the file and of its one segment
	sigIgnore   = 1
	saRestorer  = 0x04000000 // some processors refuse handlers without; ours never return
)

// file is the program as an ELF file of one segment.
func (w waiting) file() []byte {
	entry := uint64(imageBase + headersSize)
	var body bytes.Buffer
	body.Write(w.code)
	for _, word := range []uint64{
		sigIgnore, 0, 0, 0, // ignore: a kernel_sigaction
		entry + w.exit, saRestorer, entry + w.exit, 0, // leave: another
	} {
		body.Write(binary.LittleEndian.AppendUint64(nil, word))
	}
	body.WriteString(enterPath + "\x00")
	size := uint64(headersSize + body.Len())
	var file bytes.Buffer
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(w.machine), Version: uint32(elf.EV_CURRENT),
		Entry: entry, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: imageBase, Paddr: imageBase,
		Filesz: size, Memsz: size, Align: 0x1000,
	}
	_ = binary.Write(&file, binary.LittleEndian, header) // to memory: cannot fail
	_ = binary.Write(&file, binary.LittleEndian, segment)
	file.Write(body.Bytes())
	return file.Bytes()
}

var amd64Code = []byte{
	0xb8, 0x0d, 0x00, 0x00, 0x00, // mov eax,0xd
	0xbf, 0x11, 0x00, 0x00, 0x00, // mov edi,0x11
	0x48, 0x8d, 0x35, 0x6f, 0x00, 0x00, 0x00, // lea rsi,[rip+0x6f] (ignore)
	0x31, 0xd2, // xor edx,edx
	0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d,0x8
	0x0f, 0x05, // syscall
	0xb8, 0x0d, 0x00, 0x00, 0x00, // mov eax,0xd
	0xbf, 0x0f, 0x00, 0x00, 0x00, // mov edi,0xf
	0x48, 0x8d, 0x35, 0x74, 0x00, 0x00, 0x00, // lea rsi,[rip+0x74] (leave)
	0x0f, 0x05, // syscall
	0xb8, 0x0d, 0x00, 0x00, 0x00, // mov eax,0xd
	0xbf, 0x02, 0x00, 0x00, 0x00, // mov edi,0x2
	0x0f, 0x05, // syscall
	0xb8, 0x02, 0x00, 0x00, 0x00, // mov eax,0x2
	0x48, 0x8d, 0x3d, 0x7a, 0x00, 0x00, 0x00, // lea rdi,[rip+0x7a] (path)
	0x31, 0xf6, // xor esi,esi
	0x0f, 0x05, // syscall
	0x85, 0xc0, // test eax,eax
	0x78, 0x12, // js wait
	0x89, 0xc7, // mov edi,eax
	0xb8, 0x34, 0x01, 0x00, 0x00, // mov eax,0x134
	0xbe, 0x00, 0x00, 0x00, 0x40, // mov esi,0x40000000
	0x0f, 0x05, // syscall
	0x85, 0xc0, // test eax,eax
	0x78, 0x09, // js fail
	0xb8, 0x22, 0x00, 0x00, 0x00, // wait: mov eax,0x22
	0x0f, 0x05, // syscall
	0xeb, 0xf7, // jmp wait
	0xbf, 0x01, 0x00, 0x00, 0x00, // fail: mov edi,0x1
	0xeb, 0x02, // jmp exit
	0x31, 0xff, // done: xor edi,edi
	0xb8, 0x3c, 0x00, 0x00, 0x00, // exit: mov eax,0x3c
	0x0f, 0x05, // syscall
	0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00, // nop DWORD PTR [rax+0x0]
}

var arm64Code = []uint32{
	0xd28010c8, // mov x8, #0x86
	0xd2800220, // mov x0, #0x11
	0x10000441, // adr x1, ignore
	0xaa1f03e2, // mov x2, xzr
	0xd2800103, // mov x3, #0x8
	0xd4000001, // svc #0x0
	0xd28001e0, // mov x0, #0xf
	0x100004a1, // adr x1, leave
	0xd4000001, // svc #0x0
	0xd2800040, // mov x0, #0x2
	0xd4000001, // svc #0x0
	0xd2800708, // mov x8, #0x38
	0x92800c60, // mov x0, #0xffffffffffffff9c
	0x100004e1, // adr x1, path
	0xaa1f03e2, // mov x2, xzr
	0xaa1f03e3, // mov x3, xzr
	0xd4000001, // svc #0x0
	0xb7f800a0, // tbnz x0, #63, wait
	0xd2802188, // mov x8, #0x10c
	0xd2a80001, // mov x1, #0x40000000
	0xd4000001, // svc #0x0
	0xb7f80120, // tbnz x0, #63, fail
	0xd2800928, // wait: mov x8, #0x49
	0xaa1f03e0, // mov x0, xzr
	0xaa1f03e1, // mov x1, xzr
	0xaa1f03e2, // mov x2, xzr
	0xaa1f03e3, // mov x3, xzr
	0xaa1f03e4, // mov x4, xzr
	0xd4000001, // svc #0x0
	0x17fffff9, // b wait
	0xd2800020, // fail: mov x0, #0x1
	0x14000002, // b exit
	0xaa1f03e0, // done: mov x0, xzr
	0xd2800ba8, // exit: mov x8, #0x5d
	0xd4000001, // svc #0x0
	0xd503201f, // nop
}
