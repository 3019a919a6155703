package scripts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"segno/cli/contexts"
)

// home is a place for one person's clusters.
type home struct {
	*testing.T
	dir string
}

func (h home) segno(args ...string) string {
	h.Helper()
	cmd := exec.Command("segno", args...)
	cmd.Env = append(os.Environ(), "SEGNO_HOME="+h.dir, "HOME="+h.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.Fatalf("segno %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// pid is the process of the home's only cluster.
func (h home) pid() int {
	h.Helper()
	h.Setenv("SEGNO_HOME", h.dir)
	runs, err := contexts.Runs()
	if err != nil || len(runs) != 1 || !runs[0].Alive() {
		h.Fatalf("runs %v, %v", runs, err)
	}
	return runs[0].PID
}

// TestE14AClusterThatIsKilledWhileTheLogRollsLosesNothing has the log roll with
// nearly every write, and kills the cluster at any moment of it.
func TestE14AClusterThatIsKilledWhileTheLogRollsLosesNothing(t *testing.T) {
	h := home{T: t, dir: t.TempDir()}
	t.Cleanup(func() {
		if err := stopClusters(h.dir); err != nil {
			t.Error(err)
		}
	})
	var written []string
	const rounds = 4
	for round := range rounds {
		h.segno("up", "--detach", "--runtime", "simulated", "--epoch-size", "1k")
		written = append(written, h.writeUntilKilled(round)...)
	}
	h.segno("up", "--detach", "--runtime", "simulated", "--epoch-size", "1k")
	there := " " + strings.Join(strings.Fields(h.segno("get", "configmaps", "-o", "name")), " ") + " "
	for _, name := range written {
		if !strings.Contains(there, " configmap/"+name+" ") {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	if out := h.segno("verify"); strings.Contains(out, "WRONG") {
		t.Errorf("verify:\n%s", out)
	}
	epochs := strings.Count(h.segno("epoch", "ls"), "EVENTS_")
	if epochs < len(written)/100 || epochs == 0 {
		t.Errorf("the log rolled %d times in %d writes", epochs, len(written))
	}
	t.Logf("%d writes were acknowledged, in %d epochs", len(written), epochs+1)
}

// writeUntilKilled answers what was acknowledged before the kill.
func (h home) writeUntilKilled(round int) (acknowledged []string) {
	h.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(h.dir, "data", "kubeconfig"))
	if err != nil {
		h.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		h.Fatal(err)
	}
	var all sync.WaitGroup
	var lock sync.Mutex
	var count atomic.Int64
	enough := make(chan struct{})
	for writer := range 4 {
		all.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("r%d-%d-%d", round, writer, n)
				_, err := client.CoreV1().ConfigMaps("default").Create(h.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
				if err != nil {
					return // it is dead
				}
				lock.Lock()
				acknowledged = append(acknowledged, name)
				lock.Unlock()
				if count.Add(1) == int64(20+7*round) {
					close(enough)
				}
			}
		})
	}
	pid := h.pid()
	select {
	case <-enough:
	case <-time.After(time.Minute):
		h.Error("writes are not answered")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.Fatal(err)
	}
	all.Wait()
	return acknowledged
}
