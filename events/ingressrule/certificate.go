package ingressrule

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Secrets are the names of those that an Ingress has its certificates in, each
// once.
func Secrets(ingress *networkingv1.Ingress) []string {
	var names []string
	seen := map[string]bool{}
	for i := range ingress.Spec.TLS {
		if name := ingress.Spec.TLS[i].SecretName; name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// ReadPair reads the certificate of a Secret, with its Leaf. The error tells a
// person what is wrong, and nothing of the key.
func ReadPair(secret *corev1.Secret) (*tls.Certificate, error) {
	if secret.Type != corev1.SecretTypeTLS {
		return nil, fmt.Errorf("it is of the type %s; wanted is %s (kubectl create secret tls)", secret.Type, corev1.SecretTypeTLS)
	}
	chain, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	switch {
	case len(chain) == 0:
		return nil, fmt.Errorf("its %s is empty", corev1.TLSCertKey)
	case len(key) == 0:
		return nil, fmt.Errorf("its %s is empty", corev1.TLSPrivateKeyKey)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("its %s and %s are no pair: %s", corev1.TLSCertKey, corev1.TLSPrivateKeyKey, plain(err))
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("its %s cannot be read: %s", corev1.TLSCertKey, plain(err))
		}
	}
	return &pair, nil
}

// plain is what a library says, without its own name.
func plain(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tls: "), "x509: ")
}

// Valid tells whether a certificate is good for hosts at a time; the error tells
// a person why not. A host may be a wildcard.
func Valid(leaf *x509.Certificate, hosts []string, at time.Time) error {
	var wrong []error
	switch {
	case at.After(leaf.NotAfter):
		wrong = append(wrong, fmt.Errorf("its certificate was valid until %s", leaf.NotAfter.UTC().Format(time.DateTime)))
	case at.Before(leaf.NotBefore):
		wrong = append(wrong, fmt.Errorf("its certificate is valid from %s only", leaf.NotBefore.UTC().Format(time.DateTime)))
	}
	for _, host := range hosts {
		if !covers(leaf, host) {
			wrong = append(wrong, fmt.Errorf("its certificate is for %s, not for %s", named(leaf), host))
		}
	}
	return errors.Join(wrong...)
}

func covers(leaf *x509.Certificate, host string) bool {
	if strings.HasPrefix(host, "*.") {
		return slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return strings.EqualFold(name, host) })
	}
	return leaf.VerifyHostname(host) == nil
}

func named(leaf *x509.Certificate) string {
	if len(leaf.DNSNames) == 0 {
		return "no host (it has no DNS names)"
	}
	return strings.Join(leaf.DNSNames, ", ")
}
