//go:build host

package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const defaultEngine = "unix:///run/docker.sock"

// docker runs the Docker client against an engine.
func docker(t *testing.T, engine string, args ...string) string {
	t.Helper()
	return command(t, "docker", append([]string{"-H", engine}, args...)...)
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second // what it started in the background may hold its output
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(err.Error(), exec.ErrWaitDelay.Error()) {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// ownEngine starts an engine that a test may hurt, with images.
func ownEngine(t *testing.T, name string, images ...string) string {
	t.Helper()
	script := filepath.Join("..", "..", "setup", "engine.sh")
	t.Cleanup(func() { command(t, script, "--delete", name) })
	command(t, script, name)
	engine := "unix:///run/segno-engine/" + name + "/docker.sock"
	// Not made by setup/images.sh: it may have to download packages, and from here no network is in reach.
	file := filepath.Join(t.TempDir(), "images")
	docker(t, defaultEngine, append([]string{"save", "-o", file, "nginx:1.7.9"}, images...)...)
	docker(t, engine, "load", "-i", file)
	return engine
}

// enginePID is that of the dockerd which ownEngine started.
func enginePID(t *testing.T, name string) int {
	t.Helper()
	data, err := os.ReadFile("/run/segno-engine/" + name + "/dockerd.pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// containers are the running containers of the cluster on an engine, pauses
// included, sorted.
func (c *cluster) containers(engine string, filters ...string) []string {
	c.Helper()
	args := []string{"ps", "-q", "--no-trunc", "--filter", "label=segno.scope=" + c.scope()}
	for _, filter := range filters {
		args = append(args, "--filter", filter)
	}
	ids := strings.Fields(docker(c.T, engine, args...))
	slices.Sort(ids)
	return ids
}

// removeContainers removes all that the cluster left on an engine, and the
// bridges, whose pod networks the next cluster has again.
func (c *cluster) removeContainers(engine string) {
	c.Helper()
	if scope := c.scope(); scope != "" {
		left := strings.Fields(docker(c.T, engine, "ps", "-aq", "--filter", "label=segno.scope="+scope))
		if len(left) > 0 {
			docker(c.T, engine, append([]string{"rm", "-f"}, left...)...)
		}
	}
	for line := range strings.Lines(command(c.T, "ip", "-o", "link", "show", "type", "bridge")) {
		name := strings.TrimSuffix(strings.Fields(line)[1], ":")
		command(c.T, "ip", "link", "delete", name)
	}
}

// page is what a web server answers at an address, or the error.
func page(ctx context.Context, address string) string {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err.Error()
	}
	answer, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
