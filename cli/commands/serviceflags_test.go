package commands

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestS3ServiceFlagsAreChecked: what is none of the choices is refused, and the
// message names the flag and the choices.
func TestS3ServiceFlagsAreChecked(t *testing.T) {
	parse := func(args ...string) (string, string, error) {
		var f serviceFlags
		cmd := &cobra.Command{}
		f.add(cmd)
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		o, err := f.options()
		return string(o.Mode), o.Scheduler, err
	}
	if mode, scheduler, err := parse(); mode != "" || scheduler != "rr" || err != nil {
		t.Errorf("by default, as before: %q, %q, %v", mode, scheduler, err)
	}
	if mode, scheduler, err := parse("--proxy-mode=ipvs", "--ipvs-scheduler=wlc"); mode != "ipvs" || scheduler != "wlc" || err != nil {
		t.Errorf("as told: %q, %q, %v", mode, scheduler, err)
	}
	for flag, choice := range map[string]string{"--proxy-mode": "nftables", "--ipvs-scheduler": "nq"} {
		if _, _, err := parse(flag + "=best"); err == nil || !strings.Contains(err.Error(), flag+": ") || !strings.Contains(err.Error(), choice) {
			t.Errorf("%s=best: %v", flag, err)
		}
	}
}

// TestS7StubDomains are read with the servers of each.
func TestS7StubDomains(t *testing.T) {
	f := serviceFlags{stubs: []string{"corp.example=192.0.2.53", "b.example=[2001:db8::53]:5353", "corp.example=2001:db8::54"}}
	if got, err := f.stubDomains(); fmt.Sprint(got) != "map[b.example:[[2001:db8::53]:5353] corp.example:[192.0.2.53:53 [2001:db8::54]:53]]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"corp.example", "=192.0.2.53", "corp.example=ns.example"} {
		f := serviceFlags{stubs: []string{text}}
		if _, err := f.options(); err == nil || !strings.Contains(err.Error(), "--stub-domain") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
