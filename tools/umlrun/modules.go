package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// modules are what tests of networks need, by default.
const modules = `
	dummy veth bridge br_netfilter vxlan
	nf_conntrack nf_conntrack_netlink sctp xfrm_user
	ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh ip_vs_sed ip_vs_nq
	iptable_filter iptable_mangle iptable_nat ip6table_filter ip6table_mangle ip6table_nat
	ip_set_hash_ip ip_set_hash_net ip_set_hash_ipport ip_set_hash_ipportip ip_set_hash_ipportnet
	xt_set xt_mark xt_conntrack xt_addrtype xt_ipvs xt_MASQUERADE xt_REDIRECT ipt_REJECT ip6t_REJECT`

// load loads modules, after those that they need.
func load(names []string) error {
	var kernel syscall.Utsname
	if err := syscall.Uname(&kernel); err != nil {
		return fmt.Errorf("ask for the kernel's version: %w", err)
	}
	dir := filepath.Join(modulesDir, release(&kernel))
	data, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return fmt.Errorf("read which modules there are: %w", err)
	}
	paths, needs := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(data)) {
		path, behind, found := strings.Cut(strings.TrimSpace(line), ":")
		if found {
			paths[name(path)], needs[name(path)] = path, strings.Fields(behind)
		}
	}
	loaded := map[string]bool{}
	var one func(string) error
	one = func(module string) error {
		if loaded[module] {
			return nil
		}
		loaded[module] = true
		path, known := paths[module]
		if !known {
			return fmt.Errorf("load %s: the kernel %s has no such module", module, filepath.Base(dir))
		}
		for _, need := range needs[module] {
			if err := one(name(need)); err != nil {
				return err
			}
		}
		return insert(filepath.Join(dir, path))
	}
	for _, module := range names {
		if err := one(module); err != nil {
			return err
		}
	}
	return nil
}

// insert loads one file.
func insert(path string) error {
	const finitModule = 313
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("load a module: %w", err)
	}
	defer file.Close()
	none := []byte{0}
	_, _, failed := syscall.Syscall(finitModule, file.Fd(), uintptr(unsafe.Pointer(&none[0])), 0)
	if failed != 0 && failed != syscall.EEXIST {
		return fmt.Errorf("load %s: %w", path, failed)
	}
	return nil
}

// name is a module's own, of its file.
func name(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
}

func release(u *syscall.Utsname) string {
	var out []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		out = append(out, byte(c))
	}
	return string(out)
}
