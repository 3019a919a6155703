package commands

import (
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
	if mode, scheduler, err := parse(); mode != "auto" || scheduler != "rr" || err != nil {
		t.Errorf("by default: %q, %q, %v", mode, scheduler, err)
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
