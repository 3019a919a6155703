//go:build host

package nftables

import (
	"strings"
	"testing"

	"segno/agents/proxy"
)

// TestS3AGuardChoosesNoBackends: for IPVS it refuses, drops and masquerades, and
// nothing is translated.
func TestS3AGuardChoosesNoBackends(t *testing.T) {
	p, err := New(Config{Table: "segno-guard", Guard: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Remove(t.Context()) }()
	web := rulesOf("web", "10.96.0.1", "10.244.1.2:80", "10.244.1.3:80")
	f, err := p.Sync(t.Context(), state(web))
	must(t, f, err)
	want := dump(t, p)
	for _, line := range strings.Split(want, "\n") {
		if strings.HasPrefix(line, "4|"+backends.String()) || strings.HasPrefix(line, classPrefix) || strings.HasPrefix(line, setSticky) {
			t.Errorf("a guard has %q", line)
		}
	}
	for _, s := range []set{frontends, inside, masquerade, hairpins} {
		if !strings.Contains(want, "4|"+s.String()) {
			t.Errorf("a guard has nothing in %s:\n%q", s, want)
		}
	}
	f, err = p.Set(t.Context(), []proxy.Rules{rulesOf("web", "10.96.0.1")})
	must(t, f, err)
	if got := dump(t, p); got == want {
		t.Error("a guard does not notice that the backends went")
	}
	f, err = p.Set(t.Context(), []proxy.Rules{web})
	must(t, f, err)
	if got := dump(t, p); got != want {
		t.Errorf("after some steps:\n%q\nwant\n%q", got, want)
	}
}
