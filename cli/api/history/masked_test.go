package history

import "testing"

func TestE13CommandLinesAreMasked(t *testing.T) {
	for line, want := range map[string]string{
		"segno get --raw /api/v1/pods?token=X&password=Y":  "segno get --raw /api/v1/pods?token=…&password=…",
		"segno get --raw /x?limit=1&tok%65n=X -v 6":        "segno get --raw /x?limit=1&tok%65n=… -v 6",
		"segno get --raw /x?Secret=X?y=z&limit=2":          "segno get --raw /x?Secret=…&limit=2",
		"segno get --raw /x?limit=500&labelSelector=a%3Db": "segno get --raw /x?limit=500&labelSelector=a%3Db",
		"segno get secret token=X":                         "segno get secret token=X",
		"segno get --raw /x?token= --raw /y?id_token":      "segno get --raw /x?token=… --raw /y?id_token",
		"segno get pods": "segno get pods",
	} {
		if got := MaskedLine(line); got != want {
			t.Errorf("%q became %q, want %q", line, got, want)
		}
	}
	if got, want := MaskedArgument("/x?token=a b&limit=1"), "/x?token=…&limit=1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
