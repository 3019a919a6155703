package cluster

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"segno/proto"
)

// TestE14TheAuditIsInABackup: a restored cluster has the requests that were made of
// the one that was backed up, under the bounds it had, in a chain that goes on.
func TestE14TheAuditIsInABackup(t *testing.T) {
	var data []byte
	var head proto.Position
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{AuditKeep: time.Hour})
		w.send("", "GET", configMapsPath+"/gone", "")
		time.Sleep(2 * time.Hour) // the oldest have run out: it does not begin with 1
		for i := range 5 {
			w.send("bob", "DELETE", fmt.Sprintf("%s/c%d", configMapsPath, i), "")
			time.Sleep(time.Second)
		}
		head = w.cluster.audit.Head()
		data = w.backup()
	})
	dir := filepath.Join(t.TempDir(), "data")
	restored, err := Restore(t.Context(), RestoreConfig{Backup: bytes.NewReader(data), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if r := restored.Requests; r.First < 2 || r.Last < head.Seq || r.Events < 5 || r.Problem != "" {
		t.Errorf("restored %+v, it ended behind %s", r, head.Seq)
	}
	found, wrong := proveData(t, dir)
	if is := found[proto.StreamAudit]; wrong != "" || is.Seq != restored.Requests.Last || is.Hash != restored.Requests.Hash.String() || is.Requests != int(restored.Requests.Events) {
		t.Errorf("before its start: %+v, %s", is, wrong)
	}
	w, stop := newWorld(t, Config{DataDir: dir, Nodes: 1, Runtime: RuntimeSimulated})
	if n := len(w.audited("actor=bob&verb=delete&limit=0")); n != 5 {
		t.Errorf("%d of 5 requests of before are there", n)
	}
	w.send("bob", "DELETE", configMapsPath+"/afterwards", "")
	if n := len(w.audited("actor=bob&verb=delete&limit=0")); n != 6 {
		t.Errorf("%d of 6 requests are there", n)
	}
	is, err := w.cluster.audit.Extent(w.ctx)
	if err != nil || is.Keep != time.Hour || is.Damage != "" {
		t.Errorf("its extent is %+v, %v", is, err)
	}
	w.verify()
	stop()
	if _, wrong := proveData(t, dir); wrong != "" {
		t.Error(wrong)
	}
}
