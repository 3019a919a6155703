package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// computer is QEMU's imitation of one. KVM would be faster, where it works.
const computer = "qemu-system-x86_64"

// The imitated computer's files.
const (
	firstAt, programAt, jobAt = "/init", "/program", "/job"
)

// imitated boots Debian's kernel that is unpacked in a folder. It has no disk:
// the program, the modules and the job are the files that it starts with.
func imitated(folder string) boot {
	return func(ctx context.Context, j *job, tmp string) (status, said string, err error) {
		status = filepath.Join(tmp, "status")
		kernel, dir, err := debian(folder)
		if err != nil {
			return status, "", err
		}
		if j.Modules, err = inOrder(dir, wanted(modules+sets)); err != nil {
			return status, "", err
		}
		disk := filepath.Join(tmp, "files")
		if err := pack(j, disk); err != nil {
			return status, "", err
		}
		cmd := exec.CommandContext(ctx, computer, "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", size(),
			"-display", "none", "-nodefaults", "-no-user-config", "-no-reboot", "-kernel", kernel, "-initrd", disk,
			// The serial lines have the kernel's words, the program's, and the status.
			"-serial", "file:"+filepath.Join(tmp, "said"), "-serial", "stdio", "-serial", "file:"+status,
			"-append", "console=ttyS0 quiet panic=-1 "+jobVariable+"="+jobAt)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		var words bytes.Buffer
		cmd.Stdout, cmd.Stderr = os.Stdout, &words
		err = cmd.Run()
		kernelSaid, _ := os.ReadFile(filepath.Join(tmp, "said"))
		return status, string(kernelSaid) + words.String(), err
	}
}

// debian finds the kernel in a folder, and where its modules are.
func debian(folder string) (kernel, modules string, err error) {
	found, err := filepath.Glob(filepath.Join(folder, "boot", "vmlinuz-*"))
	if err != nil {
		return "", "", fmt.Errorf("look for a kernel in %s: %w", folder, err)
	}
	if len(found) != 1 {
		return "", "", fmt.Errorf("%s has %d kernels, want one (setup/kernel.sh %s gets it)", folder, len(found), folder)
	}
	version := filepath.Base(found[0])[len("vmlinuz-"):]
	return found[0], filepath.Join(folder, "lib", "modules", version), nil
}

// static says that a program needs no other file.
func static(path string) error {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read the program to run: %w", err)
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not static, and there are no libraries in the kernel: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// pack writes the files of the imitated computer.
func pack(j *job, to string) error {
	if err := static(j.Args[0]); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var a archive
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/modules"} {
		a.folder(dir)
	}
	a.file(firstAt, self)
	a.file(programAt, j.Args[0])
	there := *j
	there.Args, there.Dir, there.Modules = append([]string{programAt}, j.Args[1:]...), "/tmp", nil
	there.Console, there.Status = "/dev/ttyS1", "/dev/ttyS2"
	for _, path := range j.Modules {
		at := "/modules/" + filepath.Base(path)
		a.file(at, path)
		there.Modules = append(there.Modules, at)
	}
	data, err := json.Marshal(&there)
	if err != nil {
		return err
	}
	a.bytes(jobAt, 0o600, data)
	return a.write(to)
}
