package scripts

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"

	"segno/cli/contexts"
	"segno/proto"
)

// forge publishes a transaction of somebody else's to each subject, over a
// connection of its own with the key of the current context in a kubeconfig:
// forge KUBECONFIG OWN SUBJECT… It fails unless the server refuses every one, and
// lets the person's own subject through.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: forge KUBECONFIG OWN SUBJECT...")
	}
	config, err := clientcmd.LoadFromFile(ts.MkAbs(args[0]))
	ts.Check(err)
	door, err := contexts.BusOf(*config, "")
	ts.Check(err)
	refused := make(chan error, len(args))
	conn := enter(ts, door, refused)
	defer conn.Close()
	envelope := proto.Encode(&proto.Envelope{
		Seq: 1 << 20, At: time.Now(), Actor: "user:somebody-else", Verb: "delete", Via: "forged",
		Events: []proto.Event{{
			Kind: "ConfigMapDeleted", Section: proto.SectionGone,
			Key: proto.Resource{Name: "configmaps"}.Key("default", "kept"),
		}},
	})
	own, subjects := args[1], args[2:]
	for _, subject := range append([]string{own}, subjects...) {
		ts.Check(conn.Publish(subject, envelope))
	}
	ts.Check(conn.Flush())
	for range subjects {
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				ts.Fatalf("want a refusal, got %v", err)
			}
			ts.Logf("%v", err)
		case <-time.After(10 * time.Second):
			ts.Fatalf("only %d of %d subjects were refused", len(refused), len(subjects))
		}
	}
	// Refusals come in the order of what was published, before the answer to the
	// second flush.
	ts.Check(conn.Flush())
	if len(refused) > 0 {
		ts.Fatalf("refused, too: %v", <-refused)
	}
}

func enter(ts *testscript.TestScript, door *contexts.Bus, refused chan<- error) *nats.Conn {
	key, err := nkeys.FromSeed([]byte(door.Seed))
	ts.Check(err)
	public, err := key.PublicKey()
	ts.Check(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(door.CA) {
		ts.Fatalf("the context has no authority")
	}
	conn, err := nats.Connect(door.URL,
		nats.Nkey(public, key.Sign), nats.Secure(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	ts.Check(err)
	return conn
}
