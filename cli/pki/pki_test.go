package pki

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestN5AuthorityIsKeptAndSigns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Certificate().Equal(again.Certificate()) {
		t.Fatal("a second Open made another authority")
	}
	server, err := first.Server("server", []string{"127.0.0.1", "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	opts := x509.VerifyOptions{Roots: again.Pool(), DNSName: "localhost"}
	if _, err := server.Leaf.Verify(opts); err != nil {
		t.Errorf("verify the server's certificate: %v", err)
	}
	wider, err := again.Server("server", []string{"127.0.0.1", "10.1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if wider.Leaf.VerifyHostname("10.1.2.3") != nil {
		t.Error("a new host did not renew the certificate")
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key has mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestN5ClientCertificateNamesUserAndGroups(t *testing.T) {
	authority, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Client("admin", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pair.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.CommonName != "admin" || cert.Subject.Organization[0] != "system:masters" {
		t.Errorf("subject is %s", cert.Subject)
	}
}

func TestN5BrokenAuthorityIsAnErrorNotANewOne(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not a PEM file") {
		t.Errorf("error is %v", err)
	}
}
