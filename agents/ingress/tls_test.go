package ingress

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// shownTo is the number of the certificate that a client is shown, and for whom it is.
func (k *kit) shownTo(name string) string {
	conn, err := tls.Dial("tcp", k.where("192.0.2.7:443"), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	leaf := conn.ConnectionState().PeerCertificates[0]
	if len(leaf.SerialNumber.String()) > 6 {
		return strings.Join(leaf.DNSNames, ",")
	}
	return leaf.SerialNumber.String() + " " + strings.Join(leaf.DNSNames, ",")
}

// TestS9ClientsAreShownTheCertificateOfTheirHost: one that is broken takes nothing
// from the others.
func TestS9ClientsAreShownTheCertificateOfTheirHost(t *testing.T) {
	k := newKit(t)
	k.run()
	k.pod("10.244.0.5:8080", says("five"))
	k.service("web", "", "10.244.0.5")
	chain, key := certificate(t, 1, "a.example.com", "b.example.com")
	k.secret("good", chain, key)
	wild, wildKey := certificate(t, 2, "*.wild.example.com")
	k.secret("wild", wild, wildKey)
	k.secret("broken", chain, []byte("no key"))
	k.secret("mixed", chain, wildKey)
	k.entry(withTLS(entry("one", 2, "a.example.com/ web"), "good a.example.com", "wild *.wild.example.com"))
	k.entry(withTLS(entry("two", 1, "c.example.com/ web", "d.example.com/ web"), "broken c.example.com", "mixed d.example.com", "missing e.example.com", "wild a.example.com"))
	k.entry(withTLS(entry("three", 0, "b.example.com/ web"), "good"))
	const own = "no-certificate.segno.invalid"
	k.eventually("the certificate", "1 ", func() string { return k.shownTo("a.example.com") })
	for name, want := range map[string]string{
		"A.example.com": "1 a.example.com,b.example.com", "b.example.com": "1 a.example.com,b.example.com",
		"x.wild.example.com": "2 *.wild.example.com", "y.x.wild.example.com": own, "wild.example.com": own,
		"c.example.com": own, "d.example.com": own, "e.example.com": own, "other.example.com": own, "": own,
	} {
		if got := k.shownTo(name); got != want {
			t.Errorf("%q is shown %s, want %s", name, got, want)
		}
	}
	for _, url := range []string{"https://a.example.com/", "https://c.example.com/", "https://d.example.com/"} {
		if got := k.get(url); got != "200 five" {
			t.Errorf("%s: %s", url, got)
		}
	}
	k.secret("missing", chain, key)
	k.eventually("a Secret that comes later", "1 ", func() string { return k.shownTo("e.example.com") })
}

// TestS9ClientsWaitForCertificatesAtTheStart: who comes before the node was told of
// Secrets is shown the right certificate, and when nobody tells, the node's own.
func TestS9ClientsWaitForCertificatesAtTheStart(t *testing.T) {
	chain, key := certificate(t, 1, "a.example.com")
	for want, tell := range map[string]func(k *kit){
		"1 a.example.com":              func(k *kit) { k.secrets.Replace([]*corev1.Secret{secretOf("web", chain, key)}) },
		"no-certificate.segno.invalid": func(k *kit) { k.secrets.giveUp() },
	} {
		k := newKit(t)
		k.entry(withTLS(entry("web", 0, "a.example.com/ web"), "web a.example.com"))
		k.runUntold()
		k.eventually("the port is open", "127.0.0.1", func() string { return k.where("192.0.2.7:443") })
		shown := make(chan string)
		go func() { shown <- k.shownTo("a.example.com") }()
		select {
		case got := <-shown:
			t.Fatalf("before Secrets are known, a client is shown %s", got)
		case <-time.After(100 * time.Millisecond): // as long as nothing is told, it is
		}
		tell(k)
		if got := <-shown; got != want {
			t.Errorf("a client that waited is shown %s, want %s", got, want)
		}
	}
}

// TestS9ASecretLacksOnlyOnceItIsKnownWhatThereIs: without the control plane the log
// says that it is not known, once.
func TestS9ASecretLacksOnlyOnceItIsKnownWhatThereIs(t *testing.T) {
	const lacks, unknown = "there is no such Secret", "which certificates there are is not known yet"
	k := newKit(t)
	k.entry(withTLS(entry("web", 0, "a.example.com/ web"), "missing a.example.com"))
	k.runUntold()
	k.eventually("the port is open", "127.0.0.1", func() string { return k.where("192.0.2.7:443") })
	if said := k.logged(); strings.Contains(said, lacks) || strings.Contains(said, unknown) {
		t.Errorf("at the start: %s", said)
	}
	k.secrets.giveUp()
	k.eventually("nobody told", unknown, k.logged)
	k.entry(withTLS(entry("more", 1, "b.example.com/ web"), "missing b.example.com"))
	k.secret("other", nil, nil)
	k.eventually("the routes of now", "503", func() string { return k.get("http://b.example.com/") })
	if said := k.logged(); strings.Contains(said, lacks) || strings.Count(said, unknown) != 1 {
		t.Errorf("before Secrets are known: %s", said)
	}
	k.secrets.Replace(nil)
	k.eventually("what lacks", lacks, k.logged)
}

// TestS9ANewCertificateDropsNobody: while certificates change, no request of many
// clients fails, on connections that stay and on new ones.
func TestS9ANewCertificateDropsNobody(t *testing.T) {
	k := newKit(t)
	k.run()
	k.pod("10.244.0.5:8080", says("five"))
	k.service("web", "", "10.244.0.5")
	chain, key := certificate(t, 1, "a.example.com")
	k.secret("web", chain, key)
	k.entry(withTLS(entry("web", 0, "a.example.com/ web"), "web a.example.com"))
	k.eventually("the certificate", "1 ", func() string { return k.shownTo("a.example.com") })
	kept, err := tls.Dial("tcp", k.where("192.0.2.7:443"), &tls.Config{ServerName: "a.example.com", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var requests, failures atomic.Int64
	var clients sync.WaitGroup
	for n := range 4 {
		client := k.client()
		transport, _ := client.Transport.(*http.Transport)
		transport.DisableKeepAlives = n%2 == 0
		transport.ForceAttemptHTTP2 = n < 2
		clients.Go(func() {
			for ctx.Err() == nil {
				response, err := client.Get("https://a.example.com/")
				if err != nil || response.StatusCode != http.StatusOK {
					failures.Add(1)
					t.Logf("a request failed: %v", err)
					continue
				}
				_, err = io.Copy(io.Discard, response.Body)
				if _ = response.Body.Close(); err != nil {
					failures.Add(1)
				}
				requests.Add(1)
			}
		})
	}
	for number := int64(2); number < 30; number++ {
		next, nextKey := certificate(t, number, "a.example.com")
		k.secret("web", next, nextKey)
		want := " a.example.com"
		if number == 29 {
			want = "29 a.example.com"
		}
		k.eventually("the next certificate", want, func() string { return k.shownTo("a.example.com") })
		<-time.After(10 * time.Millisecond)
	}
	stop()
	clients.Wait()
	if n := requests.Load(); failures.Load() > 0 || n < 100 {
		t.Errorf("%d of %d requests failed", failures.Load(), n)
	}
	if _, err := io.WriteString(kept, "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(kept)
	if err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 200") || kept.ConnectionState().PeerCertificates[0].SerialNumber.Int64() != 1 {
		t.Errorf("the connection of before: %s, %v", said, err)
	}
}
