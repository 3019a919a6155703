package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// inside is the first process of the kernel. It ends the kernel, whatever
// happens.
func inside(path string) {
	defer off()
	status, err := serve(path)
	if err != nil {
		fmt.Println("umlrun:", err)
		return
	}
	fmt.Println("umlrun: ended with status", status)
}

// serve makes the kernel ready, runs the job and notes its exit status.
func serve(path string) (int, error) {
	var j job
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &j)
	}
	if err != nil {
		return 0, fmt.Errorf("read the job: %w", err)
	}
	console, err := prepare(j.Console)
	if err != nil {
		return 0, err
	}
	if err := load(j.Modules); err != nil {
		return 0, err
	}
	cmd := exec.Command(j.Args[0], j.Args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = j.Env, j.Dir, console, console
	err = cmd.Run()
	status := cmd.ProcessState.ExitCode()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("run %s: %w", j.Args[0], err)
	} else if status < 0 {
		_, _ = fmt.Fprintln(console, "umlrun:", err) // by a signal
		status = 2
	}
	drain(console)
	return status, note(j.Status, status)
}

// prepare mounts what programs expect, and answers the program's console.
func prepare(device string) (*os.File, error) {
	for at, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/run": "tmpfs"} {
		// The kernel may have mounted devices by itself.
		if err := syscall.Mount(kind, at, kind, 0, ""); err != nil && !errors.Is(err, syscall.EBUSY) {
			return nil, fmt.Errorf("mount %s at %s: %w", kind, at, err)
		}
	}
	console, err := os.OpenFile(device, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the console: %w", err)
	}
	var settings syscall.Termios
	if err := terminal(console, syscall.TCGETS, uintptr(unsafe.Pointer(&settings))); err != nil {
		return nil, fmt.Errorf("read the console's settings: %w", err)
	}
	settings.Oflag &^= syscall.OPOST // or lines would end with a carriage return
	if err := terminal(console, syscall.TCSETS, uintptr(unsafe.Pointer(&settings))); err != nil {
		return nil, fmt.Errorf("set the console: %w", err)
	}
	return console, nil
}

func terminal(f *os.File, request, argument uintptr) error {
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, argument); failed != 0 {
		return failed
	}
	return nil
}

// note writes the exit status to a file, or to a line.
func note(path string, status int) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|syscall.O_NOCTTY, 0o600)
	if err != nil {
		return fmt.Errorf("note the exit status: %w", err)
	}
	defer file.Close()
	if _, err := file.WriteString(strconv.Itoa(status)); err != nil {
		return fmt.Errorf("note the exit status: %w", err)
	}
	drain(file)
	return nil
}

// drain waits until the console has written all.
func drain(console *os.File) {
	const tcsbrk = 0x5409
	_ = terminal(console, tcsbrk, 1)
}

// off ends the kernel; what it has not written by then is lost.
func off() {
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	time.Sleep(time.Minute) // the first process must not end
}
