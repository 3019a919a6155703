//go:build host

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// written is a stopped cluster with some history, and what verify said of it.
func written(t *testing.T) (c *cluster, verified string) {
	t.Helper()
	c = up(t, simulated...)
	c.deployed()
	for i := range 20 {
		c.segno("create", "configmap", fmt.Sprintf("cm-%d", i), "--from-literal=n="+strings.Repeat("x", 500))
	}
	verified = settled(c)
	c.down()
	return c, verified
}

func (c *cluster) down() {
	c.Helper()
	c.says(c.segno("down", "--data-dir", c.dir), "is stopped")
}

func TestE3TheStateIsMadeAgainFromTheLog(t *testing.T) {
	c, before := written(t)
	for _, folder := range []string{"state", "notes"} {
		if err := os.RemoveAll(filepath.Join(c.dir, folder)); err != nil {
			t.Fatal(err)
		}
	}
	c.start()
	// The start itself writes events (who leads, how the node is): the hash is
	// compared at the sequence at which the cluster stopped.
	stopped := seqOf(c, before)
	verified := ofEvents(c.segno("verify", "--at", fmt.Sprint(stopped)))
	hash := regexp.MustCompile(`state [0-9a-f]{64}`).FindString(before)
	c.says(verified, fmt.Sprintf("%s at sequence %d", hash, stopped))
	if hash == "" {
		t.Errorf("there is no state hash in %s", before)
	}
	if strings.Contains(verified, "WRONG") {
		t.Error(verified)
	}
}

func seqOf(c *cluster, verified string) int {
	c.Helper()
	match := regexp.MustCompile(`sequence (\d+)`).FindStringSubmatch(verified)
	if match == nil {
		c.Fatalf("no sequence in %s", verified)
	}
	return c.number(match[1])
}

// blocks are the files of a stopped cluster's EVENTS log.
func (c *cluster) blocks() []string {
	c.Helper()
	var all []string
	err := filepath.WalkDir(filepath.Join(c.dir, "log"), func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".blk") && strings.Contains(path, "EVENTS") {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		c.Fatalf("find the log's blocks: %v %v", all, err)
	}
	slices.Sort(all)
	return all
}

func (c *cluster) change(file string, change func(data []byte) []byte) {
	c.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		c.Fatal(err)
	}
	if err := os.WriteFile(file, change(data), 0o600); err != nil {
		c.Fatal(err)
	}
}

// TestE3ADamagedLogIsRepairedOrRefused: never silently shorter.
func TestE3ADamagedLogIsRepairedOrRefused(t *testing.T) {
	damages := map[string]func(data []byte) []byte{
		"cut in the middle":       func(data []byte) []byte { return data[:len(data)/2] },
		"cut by ten bytes":        func(data []byte) []byte { return data[:len(data)-10] },
		"cut to nothing":          func([]byte) []byte { return nil },
		"a bit in the middle":     func(data []byte) []byte { data[len(data)/2] ^= 4; return data },
		"a bit near the start":    func(data []byte) []byte { data[100] ^= 1; return data },
		"a bit in the last event": func(data []byte) []byte { data[len(data)-200] ^= 64; return data },
		"zeroes at the end":       func(data []byte) []byte { clear(data[len(data)-4000:]); return data },
	}
	original, before := written(t)
	for name, damage := range damages {
		for _, kept := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/state kept %t", name, kept), func(t *testing.T) {
				c := original.copied(t)
				blocks := c.blocks()
				c.change(blocks[len(blocks)-1], damage)
				if !kept {
					if err := os.RemoveAll(filepath.Join(c.dir, "state")); err != nil {
						t.Fatal(err)
					}
				}
				c.wholeOrRefused(before)
			})
		}
	}
}

// copied is a stopped cluster's data in another place.
func (c *cluster) copied(t *testing.T) *cluster {
	t.Helper()
	root := t.TempDir()
	other := &cluster{T: t, home: filepath.Join(root, "home"), dir: filepath.Join(root, "data"), flags: c.flags}
	t.Cleanup(other.clean)
	command(t, "cp", "-a", c.dir, other.dir)
	return other
}

// wholeOrRefused starts a damaged cluster: all is there, or it does not start
// and says what is wrong where.
func (c *cluster) wholeOrRefused(before string) {
	c.Helper()
	out, status := c.try("segno", append([]string{"up", "--detach", "--data-dir", c.dir}, c.flags...)...)
	if status != 0 {
		c.Logf("refused: %s", out)
		c.says(out, "EVENTS")
		if !regexp.MustCompile(`(?i)(sequence|transaction) \d+`).MatchString(out) {
			c.Errorf("the refusal does not say where:\n%s", out)
		}
		return
	}
	c.await("it answers", func() bool { _, status := c.try("segno", "get", "--raw", "/readyz"); return status == 0 })
	verified := ofEvents(c.segno("verify"))
	if strings.Contains(verified, "WRONG") || seqOf(c, verified) < seqOf(c, before) {
		c.Errorf("it started, but is not whole:\nbefore: %s\nafter: %s", before, verified)
	}
	if got := len(strings.Fields(c.segno("get", "configmaps", "-o", "name"))); got < 20 {
		c.Errorf("%d of 20 configmaps are there", got)
	}
	if seqOf(c, verified) == seqOf(c, before) && verified != before {
		c.Errorf("before: %s\nafter: %s", before, verified)
	}
	c.kill(c.pid(), syscall.SIGKILL)
}
