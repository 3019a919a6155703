//go:build host

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const shop = "shop.example.com"

// enters has clients come by the Ingress that the first node serves.
func (f *fleet) enters() {
	for _, m := range f.all[:2] {
		f.applyAs("testdata/web.yaml", nil, "NODE", m.name)
	}
	first, second := f.certificate("first"), f.certificate("second")
	f.segno("create", "secret", "tls", "shop", "--cert", first+".crt", "--key", first+".key")
	f.apply("testdata/ingress.yaml")
	f.segno("wait", "--for=condition=Ready", "pod/web-one", "pod/web-two", "--timeout=60s")
	f.serves(first, second)

	renewed := f.segno("create", "secret", "tls", "shop", "--cert", second+".crt", "--key", second+".key", "--dry-run=client", "-o", "yaml")
	if out, status := f.feed("segno", []byte(renewed), "apply", "-f", "-"); status != 0 {
		f.Fatal(out)
	}
	f.serves(second, first)

	f.kill(f.pid(), syscall.SIGKILL)
	if said := f.gets443(second, "/"); strings.Contains(said, "web-") {
		f.Errorf("without an agent, the client is told %s", said)
	}
	f.startsAgain(second)
	f.serves(second, first)

	f.segno("delete", "ingress", "shop")
	f.await("the ports are closed after the last Ingress", func() bool {
		return strings.Contains(f.curl("http://"+f.all[0].address+"/"), "Failed to connect") &&
			strings.Contains(f.gets443(second, "/"), "Failed to connect")
	})
	f.segno("delete", "secret", "shop")
}

// startsAgain: until the first node's agent serves, clients are refused, and not shown
// another certificate.
func (f *fleet) startsAgain(trusted string) {
	f.Helper()
	var told []string
	var asking sync.WaitGroup
	asking.Go(func() {
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			if told = append(told, f.gets443(trusted, "/")); strings.Contains(told[len(told)-1], "web-") {
				return
			}
		}
	})
	f.start()
	asking.Wait()
	for i, said := range told {
		if last := i == len(told)-1; strings.Contains(said, "certificate") || last && !strings.Contains(said, "web-") {
			f.Errorf("when an agent starts again, a client is told %s", said)
		}
	}
}

// serves is all that the Ingress has to do; clients trust the one certificate, and
// the other not.
func (f *fleet) serves(trusted, other string) {
	f.Helper()
	for _, page := range []struct{ host, path, want string }{
		{shop, "/", "web-"}, {shop, "/api/", "web-two api"}, {shop, "/exact", "web-one exact"}, {shop, "/exact/", "404 Not Found"},
		{"any.example.org", "/", "web-one index"}, {"any.example.org", "/api/", "web-one api"},
		{"a.b.example.org", "/", "404"}, {"example.net", "/", "404"},
	} {
		f.hearsOf(page.host+page.path+" by http", page.want, func() string {
			return f.curl("-i", "--resolve", page.host+":80:"+f.all[0].address, "http://"+page.host+page.path)
		})
	}
	f.hearsOf("https", "web-", func() string { return f.gets443(trusted, "/") })
	f.hearsOf("https", "web-two api", func() string { return f.gets443(trusted, "/api/") })
	if said := f.gets443(other, "/"); !strings.Contains(said, "certificate") {
		f.Errorf("a certificate that does not hold: %s", said)
	}
	f.hearsOf("both pods", "both", func() string {
		said := f.gets443(trusted, "/") + f.gets443(trusted, "/")
		if strings.Contains(said, "web-one index") && strings.Contains(said, "web-two index") {
			return "both"
		}
		return said
	})
	f.hearsOf("the address of the Ingress", f.all[0].address, func() string { return f.run("kubectl-1.37", "get", "ingress", "shop", "--no-headers") })
}

// hearsOf waits until something is said.
func (f *fleet) hearsOf(what, want string, say func() string) {
	f.Helper()
	var said string
	f.await(what+" says "+want, func() bool { said = say(); return strings.Contains(said, want) }, func() string { return said })
}

// gets443 is a page by https.
func (f *fleet) gets443(trusted, path string) string {
	f.Helper()
	return f.curl("--cacert", trusted+".crt", "--resolve", shop+":443:"+f.all[0].address, "https://"+shop+path)
}

// curl runs at the client, and answers what it was told or why it was not.
func (f *fleet) curl(args ...string) string {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + spaceFile(f.outside.space), "curl", "-sS", "-m", "5"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // no proxy
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out) + " " + err.Error()
	}
	return string(out)
}

// certificate writes one of the shop that its own authority is, and answers the
// files' name without an ending.
func (f *fleet) certificate(name string) (file string) {
	f.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{shop},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	file = filepath.Join(f.TempDir(), name)
	for ending, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: certificate}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file+ending, pem.EncodeToMemory(block), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	return file
}
