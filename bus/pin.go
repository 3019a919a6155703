package bus

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Fingerprint is the SHA-256 of a certificate in hexadecimal: what a join
// token says of the cluster's CA.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// withAuthority lets the server show its CA along with each certificate.
func withAuthority(config *tls.Config, authority []byte) (*tls.Config, error) {
	config = config.Clone()
	if len(authority) == 0 {
		return config, nil
	}
	block, _ := pem.Decode(authority)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("bus server: Authority is not a PEM certificate")
	}
	config.Certificates = slices.Clone(config.Certificates)
	for i := range config.Certificates {
		own := &config.Certificates[i]
		own.Certificate = append(slices.Clone(own.Certificate), block.Bytes)
	}
	return config, nil
}

// pinned trusts exactly one CA, known by its fingerprint alone: the server has
// to send it along with its own certificate, and the chain must lead there.
// Names are not compared: a node knows the cluster by its CA, and an address
// may be any of the machine's.
func pinned(fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection below does it, against the pinned CA
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPinned(state.PeerCertificates, fingerprint)
		},
	}
}

func verifyPinned(chain []*x509.Certificate, fingerprint string) error {
	if len(chain) == 0 {
		return errors.New("the server showed no certificate")
	}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, cert := range chain {
		if strings.EqualFold(Fingerprint(cert), fingerprint) {
			roots.AddCert(cert)
			found = true
			continue
		}
		others.AddCert(cert)
	}
	if !found {
		return fmt.Errorf("the server does not belong to the expected cluster: none of its %d certificates has the fingerprint %s", len(chain), fingerprint)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: others}); err != nil {
		return fmt.Errorf("the server's certificate is not signed by the expected cluster's CA: %w", err)
	}
	return nil
}
