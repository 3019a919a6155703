package ingress

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
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"segno/agents/catalog"
	"segno/agents/proxy"
	"segno/proto"
)

// kit is an Ingress that listens on loopback, and pods whose addresses lead to
// servers of the test.
type kit struct {
	*testing.T
	catalog catalog.Catalog
	secrets Secrets
	ingress *Ingress

	mu     sync.Mutex
	pods   map[string]string // by address: where it really is
	at     map[string]string // by port: where it really listens
	taken  map[string]bool   // ports that cannot be opened
	status Status
	log    strings.Builder
}

// Write is where the log goes.
func (k *kit) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.Write(line)
}

func (k *kit) logged() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.String()
}

func newKit(t *testing.T) *kit {
	k := &kit{T: t, pods: map[string]string{}, at: map[string]string{}, taken: map[string]bool{}}
	var err error
	k.ingress, err = New(Config{
		Options: Options{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.7")}}, Catalog: &k.catalog, Secrets: &k.secrets,
		Node: func() proxy.Node { return proxy.Node{} }, Listen: k.listen, Dial: k.dial,
		Logger: slog.New(slog.NewTextHandler(k, nil)),
		Told:   func(s Status) { k.mu.Lock(); defer k.mu.Unlock(); k.status = s },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range segnoClass {
		k.apply(catalog.IngressClasses, class)
	}
	return k
}

func (k *kit) run() {
	k.Helper()
	k.secrets.Replace(nil)
	k.runUntold()
}

// runUntold is of a node that has not heard from the control plane yet.
func (k *kit) runUntold() {
	k.Helper()
	ctx, cancel := context.WithCancel(k.Context())
	done := make(chan error, 1)
	go func() { done <- k.ingress.Run(ctx) }()
	k.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			k.Errorf("ingress ended by itself: %v", err)
		}
	})
}

func (k *kit) listen(ctx context.Context, network, address string) (net.Listener, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taken[address] {
		return (&net.ListenConfig{}).Listen(ctx, network, k.at[address])
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, network, "127.0.0.1:0")
	if err == nil {
		k.at[address] = l.Addr().String()
	}
	return l, err
}

func (k *kit) dial(ctx context.Context, network, address string) (net.Conn, error) {
	k.mu.Lock()
	real, ok := k.pods[address]
	k.mu.Unlock()
	if !ok {
		real = "127.0.0.1:1" // refused
	}
	return (&net.Dialer{}).DialContext(ctx, network, real)
}

func (k *kit) where(address string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at[address]
}

func (k *kit) told() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// pod makes a server that a pod's address leads to.
func (k *kit) pod(address string, handler http.Handler) {
	k.Helper()
	server := httptest.NewServer(handler)
	k.Cleanup(server.Close)
	k.podAt(address, server.Listener.Addr().String())
}

func (k *kit) podAt(address, real string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pods[address] = real
}

type marshaled interface {
	metav1.Object
	Marshal() ([]byte, error)
}

func (k *kit) apply(resource proto.Resource, object marshaled) {
	k.Helper()
	body, err := object.Marshal()
	if err == nil {
		err = k.catalog.Apply(&proto.WantPod{Key: resource.Key(object.GetNamespace(), object.GetName()), Body: body})
	}
	if err != nil {
		k.Fatal(err)
	}
}

func (k *kit) entry(ingress *networkingv1.Ingress) { k.Helper(); k.apply(catalog.Ingresses, ingress) }

func (k *kit) gone(ingress *networkingv1.Ingress) {
	k.Helper()
	if err := k.catalog.Apply(&proto.WantPod{Key: catalog.Ingresses.Key(ingress.Namespace, ingress.Name), Gone: true}); err != nil {
		k.Fatal(err)
	}
}

// service has ready endpoints at the addresses, on port 8080.
func (k *kit) service(name, protocol string, addresses ...string) {
	k.Helper()
	port := corev1.ServicePort{Name: "http", Port: 80}
	if protocol != "" {
		port.AppProtocol = &protocol
	}
	meta := metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}}
	k.apply(catalog.Services, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.7", Ports: []corev1.ServicePort{port}}})
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: meta, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To(int32(8080))}},
	}
	for _, address := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	k.apply(catalog.Slices, slice)
}

// client asks at the Ingress, whatever the host.
func (k *kit) client() *http.Client {
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return dialer.DialContext(ctx, network, k.where("192.0.2.7:"+port))
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}
	k.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get answers status and body, on one line.
func (k *kit) get(url string) string {
	response, err := k.client().Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body)))
}

// eventually asks until the answer is right.
func (k *kit) eventually(what, want string, ask func() string) {
	k.Helper()
	var got string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if got = ask(); strings.Contains(got, want) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	k.Fatalf("%s: %q, want %q", what, got, want)
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// certificate makes a pair for hosts, and says its number.
func certificate(t *testing.T, number int64, hosts ...string) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func (k *kit) secret(name string, chain, key []byte) {
	k.secrets.Set(types.NamespacedName{Namespace: "shop", Name: name}, secretOf(name, chain, key))
}

func secretOf(name string, chain, key []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: chain, corev1.TLSPrivateKeyKey: key},
	}
}

// withTLS says where an Ingress has its certificates: "secret host host".
func withTLS(ingress *networkingv1.Ingress, lines ...string) *networkingv1.Ingress {
	for _, line := range lines {
		words := strings.Fields(line)
		ingress.Spec.TLS = append(ingress.Spec.TLS, networkingv1.IngressTLS{SecretName: words[0], Hosts: words[1:]})
	}
	return ingress
}
