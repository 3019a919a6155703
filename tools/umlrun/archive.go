package main

import (
	"bytes"
	"fmt"
	"os"
)

// archive is a file of the format cpio, "newc", as kernels read it.
type archive struct {
	data bytes.Buffer
	err  error
}

const (
	isFolder, isFile = 0o040755, 0o100000
	trailer          = "TRAILER!!!"
)

func (a *archive) folder(name string) { a.entry(name, isFolder, nil) }

// file puts in a file of the machine's.
func (a *archive) file(name, from string) {
	data, err := os.ReadFile(from)
	if err != nil {
		a.err = fmt.Errorf("pack %s for the kernel: %w", name, err)
		return
	}
	a.bytes(name, 0o700, data)
}

func (a *archive) bytes(name string, mode uint32, data []byte) { a.entry(name, isFile|mode, data) }

// entry writes a header of 13 numbers, the name and the bytes, each ending at a
// multiple of four.
func (a *archive) entry(name string, mode uint32, data []byte) {
	if name != trailer {
		name = name[1:] // names are relative to the root
	}
	numbers := [13]uint32{0, mode, 0, 0, 1, 0, uint32(len(data)), 0, 0, 0, 0, uint32(len(name) + 1), 0}
	a.data.WriteString("070701")
	for _, n := range numbers {
		fmt.Fprintf(&a.data, "%08x", n)
	}
	a.data.WriteString(name + "\x00")
	a.pad()
	a.data.Write(data)
	a.pad()
}

func (a *archive) pad() {
	for a.data.Len()%4 != 0 {
		a.data.WriteByte(0)
	}
}

// write ends the archive.
func (a *archive) write(to string) error {
	if a.err != nil {
		return a.err
	}
	a.entry(trailer, 0, nil)
	if err := os.WriteFile(to, a.data.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the kernel's files: %w", err)
	}
	return nil
}
