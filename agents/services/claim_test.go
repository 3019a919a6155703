package services

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestS7OneNodeServes in a network namespace, and nobody can keep it from that who
// could not end it, too.
func TestS7OneNodeServes(t *testing.T) {
	squatter, err := net.Listen("unix", "@segno/services") // needs no rights
	if err == nil {
		defer func() { _ = squatter.Close() }()
	}
	folder := filepath.Join(t.TempDir(), "segno", "services")
	release, err := claimIn(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claimIn(folder); !errors.Is(err, errClaimed) {
		t.Errorf("a second one: %v", err)
	}
	err = filepath.WalkDir(filepath.Dir(folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may get at %s: %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	release()
	again, err := claimIn(folder)
	if err != nil {
		t.Fatalf("after the first one's end: %v", err)
	}
	again()
}

func TestS7AUsersClaimsAreItsOwn(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	for uid, want := range map[int]string{0: "/run/segno/services", 7: "/run/user/7/segno/services"} {
		if got, err := claims(uid); err != nil || got != want {
			t.Errorf("user %d: %s, %v", uid, got, err)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CACHE_HOME", "/home/ada/.cache")
	if got, err := claims(2_000_000_000); err != nil || got != "/home/ada/.cache/segno/services" {
		t.Errorf("without a folder for the session: %s, %v", got, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := claims(2_000_000_000); err == nil || !strings.Contains(err.Error(), "XDG_RUNTIME_DIR") {
		t.Errorf("without any folder: %v", err)
	}
}

// TestS7AClaimThatEndsLeavesNothing, and never two of those that come and go have it
// at once.
func TestS7AClaimThatEndsLeavesNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "services")
	var holders, claimed atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3000 {
				release, err := claimIn(folder)
				if errors.Is(err, errClaimed) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n > 1 {
					t.Errorf("%d have it", n)
				}
				claimed.Add(1)
				for range 50 {
					runtime.Gosched() // so that others come between
				}
				holders.Add(-1)
				release()
			}
		})
	}
	all.Wait()
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 || claimed.Load() == 0 {
		t.Errorf("%d claims left %v, %v", claimed.Load(), left, err)
	}
}
