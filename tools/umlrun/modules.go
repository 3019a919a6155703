package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

// modules are what tests of networks need, by default; tables and sets are what
// they filter packets with in user-mode Linux, and elsewhere.
const (
	modules = `
	dummy veth bridge br_netfilter vxlan
	nf_conntrack nf_conntrack_netlink sctp xfrm_user
	ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_dh ip_vs_mh ip_vs_sed ip_vs_nq`
	tables = `
	iptable_filter iptable_mangle iptable_nat ip6table_filter ip6table_mangle ip6table_nat
	ip_set_hash_ip ip_set_hash_net ip_set_hash_ipport ip_set_hash_ipportip ip_set_hash_ipportnet
	xt_set xt_mark xt_conntrack xt_addrtype xt_ipvs xt_MASQUERADE xt_REDIRECT ipt_REJECT ip6t_REJECT`
	sets = `
	nf_tables nft_chain_nat nft_ct nft_fib nft_fib_ipv4 nft_fib_ipv6 nft_masq nft_nat nft_redir
	nft_reject nft_reject_inet nft_reject_ipv4 nft_reject_ipv6 nft_numgen nft_limit nft_log nft_hash`
)

// inOrder are the files of modules in a folder, after those that they need.
func inOrder(dir string, names []string) ([]string, error) {
	paths := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".ko") {
			paths[name(path)] = path
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look which modules there are: %w", err)
	}
	var out []string
	seen := map[string]bool{}
	var one func(string, string) error
	one = func(module, why string) error {
		if seen[module] {
			return nil
		}
		seen[module] = true
		path, known := paths[module]
		if !known {
			return fmt.Errorf("the kernel of %s has no module %s%s", dir, module, why)
		}
		needs, err := needed(path)
		if err != nil {
			return err
		}
		for _, need := range needs {
			if err := one(need, ", which "+module+" needs"); err != nil {
				return err
			}
		}
		out = append(out, path)
		return nil
	}
	for _, module := range names {
		if err := one(module, ""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// needed are the modules that one cannot do without, as its file says.
func needed(path string) ([]string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", path, err)
	}
	defer file.Close()
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%s is no module: it does not say what it needs", path)
	}
	data, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("read what module %s needs: %w", path, err)
	}
	var out []string
	for _, word := range strings.Split(string(data), "\x00") {
		list, found := strings.CutPrefix(word, "depends=")
		if !found || list == "" {
			continue
		}
		for _, need := range strings.Split(list, ",") {
			out = append(out, name(need))
		}
	}
	return out, nil
}

// load loads modules, in the kernel.
func load(paths []string) error {
	const finitModule = 313
	none := []byte{0}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("load a module: %w", err)
		}
		_, _, failed := syscall.Syscall(finitModule, file.Fd(), uintptr(unsafe.Pointer(&none[0])), 0)
		_ = file.Close()
		if failed != 0 && !errors.Is(failed, syscall.EEXIST) {
			return fmt.Errorf("load %s: %w", path, failed)
		}
	}
	return nil
}

// name is a module's own, of its file.
func name(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
}
