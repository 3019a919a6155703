package pod

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
)

// The files of a pod's folder by which its containers find others and
// themselves. No volume has such a name: theirs have no dots.
const (
	resolvFile = "resolv.conf"
	hostsFile  = "etc.hosts"
)

// giveNames mounts a resolv.conf, and in a network of the pod's own a hosts
// file, unless the container mounts something there itself.
func (k *Keeper) giveNames(spec *runtime.ContainerSpec, pod *corev1.Pod, sandbox runtime.Sandbox) error {
	if !k.cfg.DNS.Set() {
		return nil
	}
	conf, left := k.cfg.DNS.For(pod)
	if left != "" {
		w := &writer{pod: pod, now: k.now()}
		w.warning("", "DNSConfigForming", "left out of resolv.conf: %s", left)
		k.note(w.notes)
	}
	if err := k.volumes.give(spec, string(pod.UID), resolvFile, "/etc/resolv.conf", conf.String()); err != nil {
		return err
	}
	if sandbox.HostNetwork || !sandbox.Address.IsValid() {
		return nil // the engine's, which has what the node has
	}
	text := hosts(pod, k.cfg.DNS.ServiceDomain(pod.Namespace), sandbox.Address, sandbox.Second)
	return k.volumes.give(spec, string(pod.UID), hostsFile, "/etc/hosts", text)
}

// give writes a file and mounts it. It is written in place: other containers of
// the pod have it mounted already.
func (v Volumes) give(spec *runtime.ContainerSpec, uid, name, target, text string) error {
	taken := slices.ContainsFunc(spec.Mounts, func(m runtime.Mount) bool { return filepath.Clean(m.Target) == target })
	if v.Dir == "" || taken {
		return nil
	}
	path := filepath.Join(v.of(uid), name)
	err := os.MkdirAll(v.of(uid), 0o750)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err == nil {
		err = os.Chmod(path, 0o644) // beside umask: containers run as anybody
	}
	if err != nil {
		return fmt.Errorf("write %s of pod %s: %w", target, uid, err)
	}
	spec.Mounts = append(spec.Mounts, runtime.Mount{Source: path, Target: target})
	return nil
}

// hosts is the text of a pod's /etc/hosts: the machine's usual names, the pod's
// own, whole and short, and what its spec adds.
func hosts(pod *corev1.Pod, serviceDomain string, addresses ...netip.Addr) string {
	var out strings.Builder
	out.WriteString("# Written by segno for this pod.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n")
	own := hostnameOf(pod)
	if pod.Spec.Subdomain != "" {
		own = own + "." + pod.Spec.Subdomain + "." + serviceDomain + "\t" + own
	}
	for _, address := range addresses {
		if address.IsValid() {
			fmt.Fprintf(&out, "%s\t%s\n", address, own)
		}
	}
	for _, alias := range pod.Spec.HostAliases {
		fmt.Fprintf(&out, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
	}
	return out.String()
}
