package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"segno/projections"
	"segno/proto"
)

// moment is what a fold says of a point of the log.
type moment struct {
	seq  proto.Seq
	hash proto.Hash
}

// newest is the state as it is, once it keeps still for the moment of reading it.
func newest(fold *projections.Projection) moment {
	for {
		seq, hash := fold.Position().Seq, fold.StateHash()
		if fold.Position().Seq == seq {
			return moment{seq, hash}
		}
	}
}

// TestE3RestartsAndALostFoldKeepEverything is on real time and a real disk.
func TestE3RestartsAndALostFoldKeepEverything(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", Runtime: RuntimeSimulated, Nodes: 2}
	w, stop := newWorld(t, cfg)
	w.create(web(3, oldImage))
	w.follow("three pods", func() bool { return w.isSettled(3, oldImage) })
	w.setImage(newImage)
	w.follow("three new pods", func() bool { return w.isSettled(3, newImage) })
	lease := w.lease("shop")
	before, pods := newest(w.cluster.ledgers.events()), w.pods()
	said := len(w.said("sim-1"))
	if _, err := New(cfg); err == nil {
		t.Error("a second cluster on the same data directory was let in")
	}
	w.checkHTTPS()
	stop()

	for _, lost := range []string{"", "state", "notes", "leases"} {
		if lost != "" {
			if err := os.RemoveAll(filepath.Join(dir, lost)); err != nil {
				t.Fatal(err)
			}
		}
		w, stop := newWorld(t, cfg)
		fold := w.cluster.ledgers.events()
		hash, err := fold.StateHashAt(before.seq)
		if err != nil {
			t.Fatal(err)
		}
		if hash != before.hash {
			t.Errorf("after a restart without %q the state as of %d has the hash %s, want %s", lost, before.seq, hash, before.hash)
		}
		w.sameLease(lease)
		w.samePods(pods, "/at/%d"+podsPath, before.seq)
		// Simulated containers do not outlive their process: the pods run again.
		w.follow("three pods after a restart", func() bool { return w.containers() == 3 && w.isSettled(3, newImage) })
		if now := w.pods(); names(now) != names(pods) {
			t.Errorf("after a restart without %q there are the pods\n%swant\n%s", lost, names(now), names(pods))
		}
		// A simulated node has a new key in each process; that is all there is to say.
		w.wantSaid("sim-1", said, "AnnotationsChanged")
		said++
		w.verify()
		w.checkHTTPS()
		stop()
	}
}

// checkHTTPS asks over the port, with the certificates that clients get.
func (w *world) checkHTTPS() {
	w.t.Helper()
	entry, err := w.cluster.Entry()
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(entry.CA) {
		w.t.Fatal("the entry has no CA")
	}
	pair, err := tls.X509KeyPair(entry.ClientCert, entry.ClientKey)
	if err != nil {
		w.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for path, want := range map[string]int{"/readyz": http.StatusOK, podsPath: http.StatusOK, "/api/v1/nodes/none": http.StatusNotFound} {
		answer, err := client.Get(entry.Server + path)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			w.t.Errorf("GET %s%s: %s, want %d", entry.Server, path, answer.Status, want)
		}
	}
}

// verify folds the logs once more and compares.
func (w *world) verify() {
	w.t.Helper()
	for stream, l := range w.cluster.ledgers {
		report, err := l.fold.Verify(w.ctx, nil)
		if err != nil || report.Problem != nil {
			w.t.Errorf("verify %s: %v, %v", stream, err, report.Problem)
		}
	}
	if proof, err := w.cluster.audit.Verify(w.ctx, 0, func(uint64, uint64) {}); err != nil || proof.Problem != "" {
		w.t.Errorf("verify the audit: %v, %s", err, proof.Problem)
	}
}
