package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"time"
)

// Server answers the certificate for the given host names and addresses,
// kept under name in the authority's folder. It is made anew when it is
// missing, near its end, signed by another authority, or lacks a host.
func (a *Authority) Server(name string, hosts []string) (tls.Certificate, error) {
	pair, err := a.leaf(name, pkix.Name{CommonName: name}, x509.ExtKeyUsageServerAuth, hosts)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(pair.Cert, pair.Key)
}

// Client answers the client certificate of a person: the user is its common
// name, the groups its organizations, as Kubernetes reads them.
func (a *Authority) Client(user string, groups ...string) (Pair, error) {
	return a.leaf("user-"+user, pkix.Name{CommonName: user, Organization: groups}, x509.ExtKeyUsageClientAuth, nil)
}

// Issue answers a new client certificate of which nothing is kept here.
func (a *Authority) Issue(user string, groups ...string) (Pair, error) {
	return a.issue(pkix.Name{CommonName: user, Organization: groups}, x509.ExtKeyUsageClientAuth, nil)
}

func (a *Authority) leaf(file string, subject pkix.Name, usage x509.ExtKeyUsage, hosts []string) (Pair, error) {
	if pair, err := readPair(a.dir, file); err == nil && a.current(pair, hosts) {
		return pair, nil
	}
	pair, err := a.issue(subject, usage, hosts)
	if err != nil {
		return Pair{}, err
	}
	return pair, writePair(a.dir, file, pair)
}

func (a *Authority) issue(subject pkix.Name, usage x509.ExtKeyUsage, hosts []string) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generate a key for %s: %w", subject.CommonName, err)
	}
	template, err := newTemplate(subject, leafLife)
	if err != nil {
		return Pair{}, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return sign(template, a.cert, key, a.key)
}

// current tells whether a kept certificate can go on being used.
func (a *Authority) current(pair Pair, hosts []string) bool {
	cert, _, err := pair.parse()
	if err != nil || cert.CheckSignatureFrom(a.cert) != nil {
		return false
	}
	if time.Until(cert.NotAfter) < leafLife/3 {
		return false
	}
	return !slices.ContainsFunc(hosts, func(host string) bool { return cert.VerifyHostname(host) != nil })
}
