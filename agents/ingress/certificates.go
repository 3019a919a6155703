package ingress

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events/ingressrule"
)

// certificates say which certificate a client is shown. They do not change.
type certificates struct {
	byHost   map[string]*tls.Certificate // by name, "*.example.com" for wildcards
	read     map[types.NamespacedName]pair
	problems []string
}

// pair is a Secret as it was read; reading one checks its key, which takes time.
type pair struct {
	secret      *corev1.Secret
	certificate *tls.Certificate
	err         error
}

// newCertificates reads those that Ingresses name, the oldest first: it has the
// host that several name. before is what was read already.
func newCertificates(ingresses []*networkingv1.Ingress, secrets map[types.NamespacedName]*corev1.Secret, before *certificates) *certificates {
	c := &certificates{byHost: map[string]*tls.Certificate{}, read: map[types.NamespacedName]pair{}}
	for _, ingress := range ingresses {
		for i := range ingress.Spec.TLS {
			of := &ingress.Spec.TLS[i]
			if of.SecretName == "" {
				continue // only says that these hosts have TLS
			}
			name := types.NamespacedName{Namespace: ingress.Namespace, Name: of.SecretName}
			p := c.readOnce(name, secrets[name], before)
			if p.err != nil {
				c.problems = append(c.problems, fmt.Sprintf("ingress %s/%s: Secret %s: %v; clients are shown a certificate of the node's own",
					ingress.Namespace, ingress.Name, of.SecretName, p.err))
				continue
			}
			c.add(of.Hosts, p.certificate)
		}
	}
	return c
}

func (c *certificates) readOnce(name types.NamespacedName, secret *corev1.Secret, before *certificates) pair {
	if p, ok := c.read[name]; ok {
		return p
	}
	p, known := before.known(name, secret)
	if !known {
		p = pair{secret: secret, err: fmt.Errorf("there is no such Secret of the type %s", corev1.SecretTypeTLS)}
		if secret != nil {
			p.certificate, p.err = ingressrule.ReadPair(secret)
		}
	}
	c.read[name] = p
	return p
}

func (c *certificates) known(name types.NamespacedName, secret *corev1.Secret) (pair, bool) {
	if c == nil || secret == nil {
		return pair{}, false
	}
	p, ok := c.read[name]
	same := ok && p.secret != nil && p.secret.Type == secret.Type &&
		bytes.Equal(p.secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSCertKey]) &&
		bytes.Equal(p.secret.Data[corev1.TLSPrivateKeyKey], secret.Data[corev1.TLSPrivateKeyKey])
	return p, same
}

// add shows a certificate for hosts; without any, for those that it names itself.
func (c *certificates) add(hosts []string, certificate *tls.Certificate) {
	if len(hosts) == 0 {
		hosts = certificate.Leaf.DNSNames
	}
	for _, host := range hosts {
		host = strings.ToLower(host)
		if c.byHost[host] == nil {
			c.byHost[host] = certificate
		}
	}
}

// of is the certificate for a client that asks for a host, nil for none.
func (c *certificates) of(host string) *tls.Certificate {
	for _, name := range candidates(bare(host)) {
		if found := c.byHost[name]; found != nil && name != "" {
			return found
		}
	}
	return nil
}

// selfSignedFor is how long a node's own certificate is good: longer than the node
// runs without a restart.
const selfSignedFor = 10 * 365 * 24 * time.Hour

// selfSigned makes the certificate of hosts that have none.
func selfSigned(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for hosts without a certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a certificate for hosts without one: %w", err)
	}
	const name = "no-certificate.segno.invalid"
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for hosts without one: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// shown is what clients are shown now.
type shown struct {
	now      atomic.Pointer[certificates]
	fallback *tls.Certificate
	told     chan struct{} // closed once now is what the node was told of
	once     sync.Once
}

func (s *shown) begin() { s.once.Do(func() { close(s.told) }) }

// get is tls.Config.GetCertificate. Nobody is shown another certificate than that
// of his host because the agent has only just started.
func (s *shown) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if found := s.of(hello.ServerName); found != nil {
		return found, nil
	}
	select {
	case <-s.told:
	case <-hello.Context().Done():
		return nil, hello.Context().Err()
	}
	if found := s.of(hello.ServerName); found != nil {
		return found, nil
	}
	return s.fallback, nil
}

func (s *shown) of(host string) *tls.Certificate {
	if now := s.now.Load(); now != nil {
		return now.of(host)
	}
	return nil
}
