package cluster

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/history"
	"segno/proto"
)

// proveData is what is found in the folder of a stopped cluster: a result for
// each log, and what is wrong.
func proveData(t *testing.T, dir string) (found map[string]history.Result, wrong string) {
	t.Helper()
	found = map[string]history.Result{}
	err := VerifyData(t.Context(), dir, "", 0, slog.New(slog.DiscardHandler), func(v history.Verification) {
		if v.Result != nil {
			found[v.Stream] = *v.Result
			wrong += v.Result.Problem
		}
		wrong += v.Error
	})
	if err != nil {
		wrong += err.Error()
	}
	return found, wrong
}

// TestE13BytesOfTheFoldAreFoundOrHarmless changes bytes of the fold's tables: what
// is then read is either said to be wrong, or what it was.
func TestE13BytesOfTheFoldAreFoundOrHarmless(t *testing.T) {
	dir := t.TempDir()
	w, stop := newWorld(t, Config{DataDir: dir, Listen: "127.0.0.1:0", Runtime: RuntimeSimulated})
	for i := range 40 {
		_, err := w.client.CoreV1().ConfigMaps(space).Create(w.ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cm-%d", i)}, Data: map[string]string{"text": fmt.Sprint(rand.Uint64(), rand.Uint64())},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	stop()
	want, wrong := proveData(t, dir) // which makes tables of what was still in the write-ahead log
	if wrong != "" || want[proto.StreamEvents].Records < 40 {
		t.Fatalf("a whole folder: %v, %s", want, wrong)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	noticed := 0
	const flips = 25
	for range flips {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		tables, err := filepath.Glob(filepath.Join(copied, "state", "*.sst"))
		if err != nil || len(tables) == 0 {
			t.Fatalf("no tables in %s: %v", copied, err)
		}
		file := tables[random.IntN(len(tables))]
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := random.IntN(len(data))
		data[at] ^= byte(1 + random.IntN(255))
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		found, wrong := proveData(t, copied)
		if wrong != "" {
			noticed++
			continue
		}
		if fmt.Sprint(found) != fmt.Sprint(want) {
			t.Errorf("byte %d of %s was changed, and nothing is wrong with %v, want %v", at, filepath.Base(file), found, want)
		}
	}
	if noticed < flips/4 {
		t.Errorf("of %d changed bytes %d were noticed", flips, noticed)
	}
	t.Logf("noticed %d of %d", noticed, flips)
}
