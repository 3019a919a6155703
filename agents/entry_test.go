package agents_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"segno/agents"
	"segno/agents/catalog"
	"segno/agents/ingress"
	"segno/agents/network"
	"segno/agents/runtime/simulated"
	"segno/events/ingressrule"
	"segno/proto"
)

// freePort is one that nobody has at the moment.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// choose has the control plane say whether the node is to run ingress, and what else
// it is to know.
func (p *plane) choose(chosen bool, more ...proto.WantPod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relay(p.chosen(chosen, more...)...)
}

// chosen is what the node is to know, beginning with itself; a sync tells it.
func (p *plane) chosen(chosen bool, more ...proto.WantPod) []proto.WantPod {
	delete(p.node.Labels, ingressrule.Label)
	if chosen {
		p.node.Labels[ingressrule.Label] = "true"
	}
	body, err := p.node.Marshal()
	if err != nil {
		panic(err)
	}
	told := append([]proto.WantPod{{Key: proto.Resource{Name: "nodes"}.Key("", p.node.Name), UID: string(p.node.UID), Body: body}}, more...)
	clear(p.pods)
	for _, object := range told {
		p.pods[object.Key.String()] = object
	}
	return told
}

// journal is what an agent logs.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

// has tells whether something was said, and forgets all.
func (j *journal) has(what string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return strings.Contains(j.text.String(), what)
}

// TestS9AnAgentServesIngresses while its node is chosen for that: with a certificate
// that it was told of, which is on no disk, also after the control plane went away.
func TestS9AnAgentServesIngresses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"a.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	want := func(resource proto.Resource, object interface {
		metav1.Object
		Marshal() ([]byte, error)
	}) proto.WantPod {
		body, err := object.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return proto.WantPod{Key: resource.Key(object.GetNamespace(), object.GetName()), UID: "u", Seq: 1, Body: body}
	}
	p := &sharedPlane{objects: map[string]proto.WantPod{
		"class": want(catalog.IngressClasses, &networkingv1.IngressClass{
			ObjectMeta: metav1.ObjectMeta{Name: "segno"}, Spec: networkingv1.IngressClassSpec{Controller: "segno.io/ingress"},
		}),
		"ingress": want(catalog.Ingresses, &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
			Spec: networkingv1.IngressSpec{
				IngressClassName: ptr.To("segno"), TLS: []networkingv1.IngressTLS{{Hosts: []string{"a.example.com"}, SecretName: "web-tls"}},
				DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			},
		}),
	}}
	link := newPlane()
	certificate := want(proto.Resource{Name: "secrets"}, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-tls"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{
			corev1.TLSCertKey: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), corev1.TLSPrivateKeyKey: pemKey,
		},
	})
	dir, plain, secure := t.TempDir(), freePort(t), freePort(t)
	var log journal
	start := func() (stop func()) {
		agent, err := agents.New(agents.Config{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Node:   "n1", Link: link, Shared: p, StateDir: dir, Runtime: simulated.New(simulated.Config{}), Network: network.NewSimulated(),
			Ingress: &ingress.Options{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, HTTP: plain, HTTPS: secure},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- agent.Run(ctx) }()
		return sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	stop := start()
	defer func() { stop() }()
	eventually := func(what string, ask func() error) {
		t.Helper()
		var err error
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if err = ask(); err == nil {
				return
			}
		}
		t.Fatalf("%s: %v", what, err)
	}
	says := func(status corev1.ConditionStatus, reason string) func() error {
		return func() error {
			link.mu.Lock()
			defer link.mu.Unlock()
			is := corev1.NodeCondition{}
			for _, c := range link.nodeSeen.Conditions {
				if c.Type == ingressrule.Condition {
					is = c
				}
			}
			if is.Status != status || is.Reason != reason || len(link.nodeSeen.Conditions) == 0 {
				return fmt.Errorf("conditions %+v", link.nodeSeen.Conditions)
			}
			return nil
		}
	}
	closed := func() error {
		for _, port := range []uint16{plain, secure} {
			if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				_ = conn.Close()
				return fmt.Errorf("port %d is open", port)
			}
		}
		return nil
	}
	shown := func() error {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", secure), &tls.Config{ServerName: "a.example.com", InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if serial := conn.ConnectionState().PeerCertificates[0].SerialNumber; serial.Int64() != 7 {
			return fmt.Errorf("shown certificate %s", serial)
		}
		return nil
	}
	withoutIt := func() error { // but with one of the node's own
		err := shown()
		if err == nil {
			t.Error("the certificate was kept")
		}
		if err == nil || strings.Contains(err.Error(), "shown certificate") {
			return nil
		}
		return err
	}
	eventually("a node that is not chosen", func() error {
		link.mu.Lock()
		defer link.mu.Unlock()
		if link.node == nil || link.node.Annotations[ingressrule.Addresses] != "127.0.0.1" {
			return fmt.Errorf("registered as %+v", link.node)
		}
		if link.syncs == 0 {
			return errors.New("it did not ask what it is to know")
		}
		return nil
	})
	eventually("no condition", says("", ""))
	if err := closed(); err != nil {
		t.Error(err)
	}
	link.mu.Lock()
	link.relay(link.chosen(true, certificate)[0]) // it is for the node to ask what certificates there are
	link.mu.Unlock()
	eventually("the certificate", shown)
	const lacks = "there is no such Secret"
	if log.has(lacks) {
		t.Error("before the node was told of Secrets, it says that one lacks")
	}
	eventually("an answer", func() error {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", plain))
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusServiceUnavailable {
			return fmt.Errorf("answered %s", response.Status)
		}
		return nil
	})
	eventually("the condition", says(corev1.ConditionTrue, "Serving"))
	link.choose(false)
	eventually("the condition of a node that is not chosen any more", says("", ""))
	eventually("closed ports", closed)
	link.choose(true)
	eventually("ports that are open again", withoutIt)
	eventually("what lacks is said", func() error {
		if !log.has(lacks) {
			return errors.New("it is not")
		}
		return nil
	})
	link.choose(true, certificate)
	eventually("the certificate again", shown)
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	link.mu.Lock()
	link.down = true
	link.mu.Unlock()
	eventually("the certificate without a control plane", shown)
	stop()
	eventually("closed ports", closed)
	stop = start()
	eventually("ports of an agent that finds no control plane", withoutIt)
	if log.has(lacks) {
		t.Error("an agent that finds no control plane says that a Secret lacks")
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && (strings.Contains(string(data), "PRIVATE KEY") || strings.Contains(string(data), "web-tls\x12")) {
			t.Errorf("%s has the key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
