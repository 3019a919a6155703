package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// process is a program under measurement.
type process struct{ pid int }

func (p process) signal(b *testing.B, sig syscall.Signal) {
	b.Helper()
	if err := syscall.Kill(p.pid, sig); err != nil {
		b.Fatalf("signal process %d: %v", p.pid, err)
	}
}

// cpu is the CPU time that the process has used, of proc(5).
func (p process) cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	const userTime, systemTime, ticksPerSecond = 14 - 3, 15 - 3, 100
	var ticks int
	for _, field := range []int{userTime, systemTime} {
		n, err := strconv.Atoi(fields[field])
		if err != nil {
			b.Fatalf("read the CPU time: %v", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// memory is a line of the process's status in megabytes: VmHWM is the peak of
// VmRSS, which is now.
func (p process) memory(b *testing.B, line string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		b.Fatal(err)
	}
	for text := range strings.Lines(string(status)) {
		var kilobytes float64
		if _, err := fmt.Sscanf(text, line+": %f kB", &kilobytes); err == nil {
			return kilobytes / 1024
		}
	}
	b.Fatalf("there is no %s", line)
	return 0
}

// server is a cluster in a process of its own, and a client of its API.
type server struct {
	process
	client *kubernetes.Clientset
	start  time.Duration // from exec to the first answer
}

func startServer(b *testing.B, nodes int) *server {
	b.Helper()
	dir := b.TempDir()
	began := time.Now()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envData+"="+dir, envNodes+"="+strconv.Itoa(nodes))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	s := &server{process: process{pid: cmd.Process.Pid}}
	b.Cleanup(func() {
		s.signal(b, syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Errorf("the cluster ends: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatalf("wait for the cluster: %v", err)
	}
	if line != "ready <nil>\n" {
		b.Fatalf("the cluster says %s", line)
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		b.Fatal(err)
	}
	config.QPS = -1 // no limit of our own
	config.ContentType = "application/vnd.kubernetes.protobuf"
	if s.client, err = kubernetes.NewForConfig(config); err != nil {
		b.Fatal(err)
	}
	eventually(b, "the first answer", func(ctx context.Context) (bool, error) {
		answer, err := s.client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return string(answer) == "ok", err
	})
	s.start = time.Since(began)
	return s
}

// profiled runs work under the profiler of the cluster when profiles are wanted.
func (s *server) profiled(b *testing.B, work func()) {
	b.Helper()
	if os.Getenv(envProfile) == "" {
		work()
		return
	}
	s.signal(b, syscall.SIGUSR1)
	work()
	s.signal(b, syscall.SIGUSR1)
	time.Sleep(time.Second) // the profile is written; nothing is measured here
}

func eventually(b *testing.B, what string, is func(context.Context) (bool, error)) {
	b.Helper()
	if err := wait.PollUntilContextTimeout(b.Context(), 10*time.Millisecond, 5*time.Minute, true, is); err != nil {
		b.Fatalf("wait for %s: %v", what, err)
	}
}
