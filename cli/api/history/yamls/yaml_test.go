package yamls

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestE7EveryCharacterHasAForm: as a value, as the name of a field and among other
// characters, what is written is read as the same.
func TestE7EveryCharacterHasAForm(t *testing.T) {
	for r := range rune(0x10ffff + 1) {
		if r > 0x3000 && r < 0xd7f0 || r >= 0xd800 && r < 0xe000 || r > 0x10010 && r < 0x10fff0 && r%0x10000 < 0xfff0 {
			continue
		}
		check(t, map[string]any{"a": string(r), fmt.Sprintf("k%cy", r): fmt.Sprintf("x%c y\n%c", r, r)})
	}
	check(t, map[string]any{"plain": "text", "lines": "a\nb\n", "number": "1"})
}

func check(t *testing.T, want map[string]any) {
	t.Helper()
	data, err := Marshal(want)
	if err != nil {
		t.Fatalf("%q: %v", want, err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(data, &got); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q: %s", data, diff)
	}
}
