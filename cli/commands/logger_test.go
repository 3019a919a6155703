package commands

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

func TestU5LibrariesLogWhereWeDo(t *testing.T) {
	defer klog.ClearLogger()
	for verbose, want := range map[bool]string{false: "level=WARN msg=ours\n", true: `level=DEBUG msg="Error on socket receive" err="hung up"`} {
		var out bytes.Buffer
		logger := newLogger(&out, verbose)
		klog.ErrorS(errors.New("hung up"), "Error on socket receive")
		klog.Errorf("another way to say it")
		logger.Warn("ours")
		klog.Flush()
		if got := out.String(); !strings.Contains(got, want) || !strings.Contains(got, "msg=ours") || strings.Contains(got, "another way") != verbose {
			t.Errorf("verbose %t: %s", verbose, got)
		}
	}
}
