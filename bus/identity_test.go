package bus

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

func TestN5ForgedSubjectsAreRefused(t *testing.T) {
	server := startServer(t, ServerConfig{StoreDir: t.TempDir()})
	spy, err := server.Connect("spy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(spy.Close)
	fed, err := spy.nc.SubscribeSync("feed.*.configmaps.>")
	if err != nil {
		t.Fatal(err)
	}
	fold := newTestFold()
	seq := startSequencer(t, server, fold)
	if _, err := seq.Submit(t.Context(), createConfigMap("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := fed.NextMsgWithContext(t.Context()); err != nil { // the last that the bus says by itself
		t.Fatal(err)
	}
	p := parties{server: server}
	arrived := make(chan *nats.Msg, 100)
	if _, err := spy.nc.ChanSubscribe("forged.>", arrived); err != nil {
		t.Fatal(err)
	}
	seen := make(chan *nats.Msg, 100)
	for _, subject := range []string{"cmd.>", "sts.>", "node.>", "join.>", "ev.>", "nt.>", "ls.>", "feed.>", "shared.>"} {
		if _, err := spy.nc.ChanSubscribe(subject, seen); err != nil {
			t.Fatal(err)
		}
	}
	before := logBytes(t, server)

	forged := []string{
		"ev.-.configmaps.default", "nt.-.events.default", "ls.-.leases.x",
		"$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.MSG.DELETE.EVENTS", "$JS.API.STREAM.CREATE.X",
		"$JS.API.DIRECT.GET.EVENTS", "$SYS.REQ.SERVER.PING", "feed.-.pods.default.x", "forged.x",
		"cmd.bob.dial", "cmd.*.dial", "sts.n2.report", "node.n1_example.want", "node.n2.dial", "sts.n2.shared", "shared.want", "join.0123456789", "_INBOX_user:bob.x", "_INBOX_system:bus.x",
	}
	for _, who := range []struct {
		role Role
		name string
		own  string
	}{
		{RolePerson, "anna", proto.UserDial("anna")},
		{RoleNode, "n1.example", proto.NodeReport("n1.example")},
		{RoleJoin, "aabbccddee", proto.Join("aabbccddee")},
		{RolePerson, "bus", proto.UserDial("bus")}, // as the control plane calls itself
		{RoleNode, "system:bus", proto.NodeReport("system:bus")},
		{RoleNode, "bus", proto.NodeReport("bus")},
	} {
		conn := p.enter(t, who.role, who.name)
		violations := make(chan error, 100)
		conn.nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err })
		for _, subject := range forged {
			if err := conn.nc.Publish(subject, []byte("forged")); err != nil {
				t.Fatal(err)
			}
		}
		for _, subject := range []string{"ev.>", "cmd.>", "sts.>", "node.n2.>", "_INBOX_user:bob.>", "_INBOX_system:bus.>", "$JS.>", "$SYS.>", ">"} {
			if _, err := conn.nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.nc.Publish(who.own, []byte("own")); err != nil {
			t.Fatal(err)
		}
		if msg := <-seen; msg.Subject != who.own || string(msg.Data) != "own" {
			t.Errorf("%s reached %s with %q", who.name, msg.Subject, msg.Data)
		}
		for range len(forged) + 9 {
			if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) {
				t.Fatalf("%s: %v", who.name, err)
			}
		}
		if len(arrived)+len(seen) > 0 {
			t.Errorf("%s got a forged message through", who.name)
		}
	}
	if after := logBytes(t, server); after != before {
		t.Error("the log changed")
	}
	if _, err := seq.Submit(t.Context(), createConfigMap("b")); err != nil {
		t.Fatalf("the sequencer was disturbed: %v", err)
	}
}

// logBytes is what the log holds, as one text.
func logBytes(t *testing.T, server *Server) string {
	t.Helper()
	conn, err := server.Connect("reader")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := newStream(conn, proto.StreamEvents, server.memory)
	if err != nil {
		t.Fatal(err)
	}
	have, err := s.ensure(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	if err := s.read(t.Context(), 1, have.last, func(_ proto.Seq, data []byte) error { all.Write(data); return nil }); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestN5OnlyKnownKeysConnect(t *testing.T) {
	server := startServer(t, ServerConfig{Listen: "127.0.0.1:0"})
	url := "nats://" + server.Addr().String()
	stranger, err := NewCredential("user:anna")
	if err != nil {
		t.Fatal(err)
	}
	cfg := ConnectConfig{URL: url, Name: "anna", Seed: stranger.Seed}
	if _, err := Connect(t.Context(), cfg); !errors.Is(err, nats.ErrAuthorization) {
		t.Fatalf("a stranger: %v", err)
	}
	anna := Identity{Role: RolePerson, Name: "anna", Public: stranger.Public}
	if err := server.Identities().Add(anna); err != nil {
		t.Fatal(err)
	}
	conn, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, as := range []struct{ public, sig string }{
		{stranger.Public, ""},     // the right key, unsigned
		{server.own.Public, "AA"}, // the control plane's key, badly signed
	} {
		_, err := nats.Connect(url, nats.Nkey(as.public, func([]byte) ([]byte, error) { return []byte(as.sig), nil }))
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s signed with %q: %v", as.public, as.sig, err)
		}
	}
	for _, opts := range [][]nats.Option{{}, {nats.UserInfo("anna", "x")}, {nats.Token("x")}} {
		if _, err := nats.Connect(url, opts...); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("without a key: %v", err)
		}
	}

	lost := make(chan struct{})
	conn.hold(t, func() { close(lost) })
	server.Identities().Remove(anna.Public)
	<-lost
	if _, err := Connect(t.Context(), cfg); !errors.Is(err, nats.ErrAuthorization) {
		t.Fatalf("a removed identity: %v", err)
	}
}

func TestN5IdentityIsOneThing(t *testing.T) {
	r := NewIdentities()
	a, err := NewCredential("user:a")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(Identity{Role: RolePerson, Name: "a", Public: a.Public}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []Identity{
		{Role: RoleNode, Name: "a", Public: a.Public},
		{Role: RolePerson, Name: "b", Public: a.Public},
		{Role: RolePerson, Name: "", Public: a.Public},
		{Role: 0, Name: "x", Public: a.Public},
		{Role: RolePerson, Name: "x", Public: "x"},
	} {
		if err := r.Add(id); err == nil {
			t.Errorf("%+v was taken", id)
		}
	}
}

// authority is a CA and a server certificate of it for 127.0.0.1.
func authority(t *testing.T) (ca []byte, config *tls.Config) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, template, template, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, template, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return ca, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER}, PrivateKey: key}}}
}

func fingerprintOf(t *testing.T, ca []byte) string {
	t.Helper()
	block, _ := pem.Decode(ca)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return Fingerprint(cert)
}

func startJoins(t *testing.T, server *Server, approve Approve) {
	t.Helper()
	conn, err := server.Connect("joins")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	joins, err := NewJoins(JoinsConfig{Conn: conn, Identities: server.Identities(), Approve: approve})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	running(t, func() error { return joins.Run(ctx) })
	t.Cleanup(cancel)
	for !server.wanted(proto.Join("x")) { // it hears
		if err := conn.flush(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestN1JoinByTokenOverTLS(t *testing.T) {
	ca, config := authority(t)
	server := startServer(t, ServerConfig{Listen: "127.0.0.1:0", TLS: config, Authority: ca})
	url := "tls://" + server.Addr().String()
	var approved proto.JoinRequest
	var by string
	startJoins(t, server, func(_ context.Context, token string, request proto.JoinRequest) (proto.JoinReply, error) {
		by, approved = token, request
		return proto.JoinReply{Cluster: "demo"}, nil
	})
	token := newToken(t, server, fingerprintOf(t, ca))

	credential, err := Join(t.Context(), url, token.String(), "n7")
	if err != nil {
		t.Fatal(err)
	}
	if by != token.ID || approved.Name != "n7" || approved.Public != credential.Public || credential.Actor != "node:n7" || credential.Cluster != "demo" {
		t.Errorf("joined as %+v, approved %q %+v", credential, by, approved)
	}
	conn, err := Connect(t.Context(), ConnectConfig{URL: url, Actor: credential.Actor, Seed: credential.Seed, Fingerprint: credential.Fingerprint})
	if err != nil {
		t.Fatalf("the new node cannot connect: %v", err)
	}
	defer conn.Close()
	if _, err := Join(t.Context(), url, token.String(), "n8"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a token worked twice: %v", err)
	}
	second := newToken(t, server, fingerprintOf(t, ca))
	if _, err := Join(t.Context(), url, second.String(), "n7"); err == nil || !strings.Contains(err.Error(), "n7 already") {
		t.Errorf("a name was taken twice: %v", err)
	}
	if _, err := Join(t.Context(), url, second.String(), "Bad_Name"); err == nil || !strings.Contains(err.Error(), "node name") {
		t.Errorf("a bad name: %v", err)
	}
	if _, err := Join(t.Context(), url, second.String(), "n8"); err != nil {
		t.Errorf("a refused token is spent: %v", err)
	}
}

func TestN5JoinTellsAForeignCluster(t *testing.T) {
	ca, config := authority(t)
	other, _ := authority(t)
	server := startServer(t, ServerConfig{Listen: "127.0.0.1:0", TLS: config, Authority: ca})
	asked := false
	startJoins(t, server, func(context.Context, string, proto.JoinRequest) (proto.JoinReply, error) {
		asked = true
		return proto.JoinReply{}, nil
	})
	token := newToken(t, server, fingerprintOf(t, other))
	_, err := Join(t.Context(), "tls://"+server.Addr().String(), token.String(), "n7")
	if err == nil || !strings.Contains(err.Error(), "does not belong to the expected cluster") || asked {
		t.Fatalf("err = %v, asked %t", err, asked)
	}
	for _, text := range []string{"", "x", "x.y", token.Seed, token.Seed + ".00", "S" + token.String()} {
		if _, err := Join(t.Context(), "tls://"+server.Addr().String(), text, "n7"); err == nil || !strings.Contains(err.Error(), "join token") {
			t.Errorf("token %q: %v", text, err)
		}
	}
}

func newToken(t *testing.T, server *Server, fingerprint string) Token {
	t.Helper()
	token, err := NewToken(fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Identities().Add(token.Identity()); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestN5CertificateIsCheckedAgainstTheCA(t *testing.T) {
	ca, config := authority(t)
	other, _ := authority(t)
	server := startServer(t, ServerConfig{Listen: "127.0.0.1:0", TLS: config})
	anna, err := NewCredential("user:anna")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Identities().Add(Identity{Role: RolePerson, Name: "anna", Public: anna.Public}); err != nil {
		t.Fatal(err)
	}
	cfg := ConnectConfig{URL: "tls://" + server.Addr().String(), Name: "anna", Seed: anna.Seed, CA: ca}
	conn, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	cfg.CA = other
	var unknown x509.UnknownAuthorityError
	if _, err := Connect(t.Context(), cfg); !errors.As(err, &unknown) {
		t.Fatalf("another CA: %v", err)
	}
}

func TestU4ServerTakesAnotherPortWhenItMay(t *testing.T) {
	first := startServer(t, ServerConfig{Listen: "127.0.0.1:0"})
	second := startServer(t, ServerConfig{Listen: first.Addr().String(), Elsewhere: true})
	if second.Addr().String() == first.Addr().String() {
		t.Fatalf("both listen at %s", first.Addr())
	}
	conn, err := net.Dial("tcp", second.Addr().String())
	if err != nil {
		t.Fatalf("the second server does not answer: %v", err)
	}
	_ = conn.Close()
	if _, err := second.Connect("test"); err != nil {
		t.Fatal(err)
	}
}

func TestU5ServerTellsWhyItDoesNotStart(t *testing.T) {
	first := startServer(t, ServerConfig{Listen: "127.0.0.1:0"})
	second, err := NewServer(ServerConfig{Memory: true, Listen: first.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Fatalf("err = %v", err)
	}
	for _, cfg := range []ServerConfig{{}, {Memory: true, Listen: "x"}, {Memory: true, Listen: "127.0.0.1:http"}} {
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
