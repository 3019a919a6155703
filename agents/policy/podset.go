package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Pod is one as policies see it.
type Pod struct {
	Name      types.NamespacedName
	UID       types.UID
	Labels    map[string]string
	Addresses []netip.Addr
	Ports     []Port
}

// Port is a named one of a pod.
type Port struct {
	Name     string
	Protocol corev1.Protocol
	Port     uint16
}

func (p *Pod) equal(q *Pod) bool {
	return p.UID == q.UID && maps.Equal(p.Labels, q.Labels) && slices.Equal(p.Addresses, q.Addresses) && slices.Equal(p.Ports, q.Ports)
}

// podSet is the pods that a peer means, or the pods that have a port of some
// name. Peers that say the same have one set.
type podSet struct {
	name, comment string

	namespace  string          // one only, unless
	namespaces labels.Selector // chooses them
	pods       labels.Selector

	port  *port // of this name; nil is about addresses
	local bool  // of the pods of this node

	users int // rules
}

// named gives the set the name that follows from what it means.
func (s *podSet) named() *podSet {
	kind := "pods."
	switch {
	case s.port != nil:
		kind, s.comment = "ports.", fmt.Sprintf("port %s of protocol %d", s.port.name, s.port.protocol)
		if s.local {
			s.comment += " of pods of this node"
		}
	case s.namespaces != nil:
		s.comment = fmt.Sprintf("pods (%s) of namespaces (%s)", s.pods, s.namespaces)
	default:
		s.comment = fmt.Sprintf("pods (%s) of namespace %s", s.pods, s.namespace)
	}
	s.name = kind + short(s.comment)
	return s
}

// withPort is all pods that have a port of that name.
func withPort(p port, local bool) *podSet {
	return (&podSet{namespaces: labels.Everything(), pods: labels.Everything(), port: &p, local: local}).named()
}

// in says whether pods of a namespace may be in the set; unknown is one without
// labels that are known.
func (s *podSet) in(namespace string, is labels.Set, known bool) bool {
	if s.port != nil {
		return true
	}
	if s.namespaces == nil {
		return namespace == s.namespace
	}
	return known && s.namespaces.Matches(is)
}

// elements are what a pod of a namespace that is in the set adds to it.
func (s *podSet) elements(p *Pod) (out []Element) {
	if !s.pods.Matches(labels.Set(p.Labels)) {
		return nil
	}
	for _, a := range p.Addresses {
		if s.port == nil {
			out = append(out, Element{Address: a})
			continue
		}
		for _, has := range p.Ports {
			if has.Name == s.port.name && protocols[has.Protocol] == s.port.protocol {
				out = append(out, Element{a, s.port.protocol, has.Port})
			}
		}
	}
	return out
}

// short is a name for a text; nobody can make two texts of one name.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}
