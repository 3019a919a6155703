package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/bus"
)

// token has the control plane let one machine in.
func (w *world) token() string {
	w.t.Helper()
	token, err := bus.NewToken(bus.Fingerprint(w.cluster.authority.Certificate()))
	if err != nil {
		w.t.Fatal(err)
	}
	secret := TokenSecret(token, time.Now().Add(time.Hour))
	if _, err := w.client.CoreV1().Secrets(secret.Namespace).Create(w.ctx, secret, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.within(patience, "the token is known", func() bool { return w.cluster.server.Identities().Public(bus.RoleJoin, token.ID) != "" })
	return token.String()
}

// TestN1ATokenCountsForMoreThanAnOldCredential is on a real port, as machines
// are: whoever gives a new token wants to join anew, and who was removed or is
// too late is told what to do.
func TestN1ATokenCountsForMoreThanAnOldCredential(t *testing.T) {
	w, _ := newWorld(t, Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Runtime: RuntimeSimulated, ServiceNetwork: "10.9.0.0/20"})
	machine := JoinConfig{Name: "two", DataDir: t.TempDir()}
	join := func(url, token string) (admission, error) {
		cfg, err := machine.complete()
		if err != nil {
			t.Fatal(err)
		}
		cfg.URL, cfg.Token = url, token
		return joined(t.Context(), cfg)
	}
	url := w.cluster.Info().Bus
	fails := func(err error, says string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
	_, err := join("", "")
	fails(err, "has not joined yet")
	first := w.token()
	was, err := join(url, first)
	if err != nil {
		t.Fatal(err)
	}
	for what, how := range map[string][2]string{"nothing": {}, "the very same": {url, first}} {
		again, err := join(how[0], how[1])
		if err != nil || again.Public != was.Public {
			t.Errorf("again, with %s: %s, %v, want %s", what, again.Public, err, was.Public)
		}
		if told := fmt.Sprint(again.DNS, again.Services); told != "[10.9.0.10] [10.9.0.0/20]" {
			t.Errorf("it was told of the ranges %s", told)
		}
	}
	other := JoinConfig{Name: "three", DataDir: t.TempDir(), URL: url, Token: first}
	_, err = joined(t.Context(), other)
	fails(err, "has been used, or has expired. Make another")
	second := w.token()
	_, err = join("", second)
	fails(err, "address of its bus")
	_, err = join(url, second)
	fails(err, "to go on as that node, leave --token out") // the node is still there

	if err := w.client.CoreV1().Nodes().Delete(w.ctx, "two", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.within(patience, "the node is shut out", func() bool { return w.cluster.server.Identities().Public(bus.RoleNode, "two") == "" })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err = machine.connect(ctx, was.Credential); !errors.Is(err, bus.ErrShutOut) {
		t.Errorf("a node that was removed: %v", err)
	}
	fails(err, "give it with --token")
	now, err := join(url, second)
	if err != nil || now.Public == was.Public || now.Seed == was.Seed {
		t.Errorf("with a token: %+v, %v", now, err)
	}
	conn, err := machine.connect(ctx, now.Credential)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
