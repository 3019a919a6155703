package resolv

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What resolvers take at most, and Kubernetes lets through.
const (
	mostServers       = 3
	mostSearches      = 32
	mostSearchesBytes = 2048
	// mostOptions is more than there are; Kubernetes takes any number.
	mostOptions = 100
)

// DefaultDomain is the cluster's domain unless it is told another.
const DefaultDomain = "cluster.local"

// Cluster is what a node tells its pods of names. The zero Cluster tells nothing:
// pods then have what their engine gives them.
type Cluster struct {
	// Servers are the addresses of the cluster's DNS.
	Servers []netip.Addr
	// Domain of the cluster; empty is DefaultDomain.
	Domain string
	// Node reads what the node itself uses; nil is nothing. It is read for each
	// container anew: a machine changes its network.
	Node func() Conf
}

// Set says whether there is anything to tell.
func (c Cluster) Set() bool { return len(c.Servers) > 0 }

// ServiceDomain is the domain of the Services of a namespace.
func (c Cluster) ServiceDomain(namespace string) string { return namespace + ".svc." + c.domain() }

func (c Cluster) domain() string {
	if domain := strings.Trim(c.Domain, "."); domain != "" {
		return domain
	}
	return DefaultDomain
}

// For answers the resolv.conf of a pod, and what was left out of it, "" if
// nothing was.
func (c Cluster) For(pod *corev1.Pod) (conf Conf, left string) {
	conf = c.byPolicy(pod)
	if own := pod.Spec.DNSConfig; own != nil {
		conf.Servers = append(conf.Servers, own.Nameservers...)
		conf.Searches = append(conf.Searches, own.Searches...)
		conf.Options = merged(conf.Options, own.Options)
	}
	return conf.limited()
}

func (c Cluster) byPolicy(pod *corev1.Pod) Conf {
	switch policy := pod.Spec.DNSPolicy; {
	case policy == corev1.DNSNone:
		return Conf{}
	case policy == corev1.DNSDefault, policy != corev1.DNSClusterFirstWithHostNet && pod.Spec.HostNetwork:
		return c.nodes(pod.Spec.HostNetwork)
	}
	conf := Conf{Servers: texts(c.Servers), Options: []string{"ndots:5"}}
	conf.Searches = append(conf.Searches, c.ServiceDomain(pod.Namespace), "svc."+c.domain(), c.domain())
	conf.Searches = append(conf.Searches, c.read().Searches...)
	return conf
}

// nodes is what the node uses. A loopback address of the node leads nowhere from
// a pod's own network: the cluster's DNS stands in, which asks the same server.
func (c Cluster) nodes(hostNetwork bool) Conf {
	conf := c.read()
	if hostNetwork {
		return conf
	}
	reachable := slices.DeleteFunc(slices.Clone(conf.Servers), func(server string) bool {
		addr, err := netip.ParseAddr(server)
		return err == nil && addr.IsLoopback()
	})
	if len(reachable) == 0 {
		reachable = texts(c.Servers)
	}
	conf.Servers = reachable
	return conf
}

func (c Cluster) read() Conf {
	if c.Node == nil {
		return Conf{}
	}
	return c.Node()
}

func texts(addrs []netip.Addr) []string {
	out := make([]string, len(addrs))
	for i, addr := range addrs {
		out[i] = addr.String()
	}
	return out
}

// merged lays a pod's options over others of the same name; of its own the last of
// a name counts.
func merged(options []string, own []corev1.PodDNSConfigOption) []string {
	last := make(map[string]int, len(own))
	for i, o := range own {
		last[o.Name] = i
	}
	out := slices.DeleteFunc(slices.Clone(options), func(other string) bool {
		name, _, _ := strings.Cut(other, ":")
		_, again := last[name]
		return again
	})
	for i, o := range own {
		if o.Name == "" || last[o.Name] != i {
			continue
		}
		text := o.Name
		if o.Value != nil && *o.Value != "" {
			text += ":" + *o.Value
		}
		out = append(out, text)
	}
	return out
}

// limited leaves out what is said twice or does not fit into a line, and what
// resolvers would not read.
func (c Conf) limited() (Conf, string) {
	var left []string
	c.Servers, c.Searches, c.Options = words(c.Servers), words(c.Searches), words(c.Options)
	if len(c.Servers) > mostServers {
		c.Servers = c.Servers[:mostServers]
		left = append(left, fmt.Sprintf("nameservers beyond the first %d (%s)", mostServers, strings.Join(c.Servers, " ")))
	}
	if len(c.Options) > mostOptions {
		c.Options = c.Options[:mostOptions]
		left = append(left, fmt.Sprintf("options beyond the first %d", mostOptions))
	}
	taken, length := 0, 0
	for _, s := range c.Searches {
		length += len(s) + min(1, taken) // and the space before it
		if taken == mostSearches || length > mostSearchesBytes {
			left = append(left, fmt.Sprintf("search domains from %s on: there may be %d, of %d characters", s, mostSearches, mostSearchesBytes))
			break
		}
		taken++
	}
	c.Searches = c.Searches[:taken]
	return c, strings.Join(left, "; ")
}

func words(list []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, word := range list {
		if word != "" && len(strings.Fields(word)) == 1 && strings.TrimSpace(word) == word && !seen[word] {
			seen[word] = true
			out = append(out, word)
		}
	}
	return out
}
