package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// forward lets the kernel pass packets on between pods and other networks.
func forward(v6 bool) error {
	if !v6 {
		return write("/proc/sys/net/ipv4/ip_forward", "1")
	}
	const folder = "/proc/sys/net/ipv6/conf"
	if read(filepath.Join(folder, "all/forwarding")) == "1" {
		return nil
	}
	// A machine that forwards stops taking routes from routers unless told
	// otherwise, and would lose its own way out.
	links, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("forward IPv6: %w", err)
	}
	for _, link := range links {
		path := filepath.Join(folder, link.Name(), "accept_ra")
		if read(path) != "1" {
			continue
		}
		if err := write(path, "2"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return write(filepath.Join(folder, "all/forwarding"), "1")
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func write(path, value string) error {
	if read(path) == value {
		return nil
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return fmt.Errorf("set %s to %s: %w", path, value, err)
	}
	return nil
}
