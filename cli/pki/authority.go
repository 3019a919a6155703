// Package pki makes and keeps the certificates of a cluster: one authority per
// data directory, server certificates that renew by themselves at start, and
// client certificates for people.
//
// What comes in: a directory, names and addresses. What goes out: TLS
// configurations and PEM blocks, also written to that directory with mode 0600.
//
// What never happens here: networking, or deleting an authority.
//
// Start with Authority in authority.go.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Lifetimes: the authority outlives everything it signs; leaves are renewed
// at any start within a third of their life of the end.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	// backdate tolerates clocks that run behind ours.
	backdate = 5 * time.Minute
)

// Authority signs the certificates of one cluster.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// Pair is a certificate with its key, both PEM.
type Pair struct {
	Cert []byte
	Key  []byte
}

// Open loads the authority of dir, or makes one there at the first start.
func Open(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the certificate folder: %w", err)
	}
	pair, err := readPair(dir, "ca")
	if errors.Is(err, fs.ErrNotExist) {
		pair, err = newAuthority(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the certificate authority in %s: %w", dir, err)
	}
	cert, key, err := pair.parse()
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority in %s: %w", dir, err)
	}
	return &Authority{dir: dir, cert: cert, key: key, pem: pair.Cert}, nil
}

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte { return a.pem }

// Pool trusts this authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Certificate is the authority's own.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

func newAuthority(dir string) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generate a key: %w", err)
	}
	template, err := newTemplate(pkix.Name{CommonName: "segno-ca"}, authorityLife)
	if err != nil {
		return Pair{}, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign
	pair, err := sign(template, template, key, key)
	if err != nil {
		return Pair{}, err
	}
	return pair, writePair(dir, "ca", pair)
}

func newTemplate(subject pkix.Name, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(life),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}, nil
}

func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode the key of %s: %w", template.Subject.CommonName, err)
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

func (p Pair) parse() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certBlock, _ := pem.Decode(p.Cert)
	keyBlock, _ := pem.Decode(p.Key)
	if certBlock == nil || keyBlock == nil {
		return nil, nil, errors.New("not a PEM file; restore it from a backup")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("the key is a %T, want ECDSA", parsed)
	}
	return cert, key, nil
}

func readPair(dir, name string) (Pair, error) {
	cert, err := os.ReadFile(filepath.Join(dir, name+".crt"))
	if err != nil {
		return Pair{}, err
	}
	key, err := os.ReadFile(filepath.Join(dir, name+".key"))
	return Pair{Cert: cert, Key: key}, err
}

// writePair writes the key first: a certificate without its key is useless,
// and readPair looks for the certificate first.
func writePair(dir, name string, pair Pair) error {
	for _, f := range []struct {
		suffix string
		data   []byte
	}{{".key", pair.Key}, {".crt", pair.Cert}} {
		if err := os.WriteFile(filepath.Join(dir, name+f.suffix), f.data, 0o600); err != nil {
			return fmt.Errorf("write %s%s: %w", name, f.suffix, err)
		}
	}
	return nil
}
