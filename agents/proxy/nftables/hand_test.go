//go:build host

package nftables

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"segno/agents/proxy/proxytest"
)

// BenchmarkByHand has the tool nft make the tables that the plane makes of the same
// Services, and change one of them.
func BenchmarkByHand(b *testing.B) {
	nft := func(b *testing.B, args ...string) []byte {
		b.Helper()
		out, err := exec.Command("nft", args...).CombinedOutput()
		if err != nil {
			b.Fatalf("nft %v: %v: %.300s", args, err, out)
		}
		return out
	}
	write := func(b *testing.B, what []byte) string {
		b.Helper()
		path := filepath.Join(b.TempDir(), "rules")
		if err := os.WriteFile(path, what, 0o600); err != nil {
			b.Fatal(err)
		}
		return path
	}
	for _, n := range []int{10, 10_000} {
		p := newPlane(b)
		if f, err := p.Sync(b.Context(), proxytest.Many(n)); err != nil || len(f) > 0 {
			b.Fatal(f, err)
		}
		// nft does not read rules with constants in keys as it lists them. There are
		// forty, however many Services.
		all := write(b, slices.Concat(slices.DeleteFunc(bytes.SplitAfter(nft(b, "list", "ruleset"), []byte("\n")), func(line []byte) bool {
			return bytes.Contains(line, []byte("meta l4proto . "))
		})...))
		b.Run(fmt.Sprintf("Services=%d/Full", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				nft(b, "flush", "ruleset")
				b.StartTimer()
				nft(b, "-f", all)
			}
		})
		b.Run(fmt.Sprintf("Services=%d/Change", n), func(b *testing.B) {
			f := proxytest.One(n/2, 0).Frontends[0]
			key := fmt.Sprintf("%s . tcp . 80 . 0x4", f.Dial.Address)
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				change := write(b, fmt.Appendf(nil, "delete element ip segno backends { %s }\nadd element ip segno backends { %s : 10.201.%d.%d . 8080 }\n", key, key, i>>8&255, i&255))
				b.StartTimer()
				nft(b, "-f", change)
			}
		})
		if err := p.Remove(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
