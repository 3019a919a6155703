package commands

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestE13NothingIsProvedByHalfAnAnswer: only a result for the log that is the
// truth, and none that is wrong, is success.
func TestE13NothingIsProvedByHalfAnAnswer(t *testing.T) {
	const (
		progress = `{"stream":"EVENTS","done":1,"total":2}` + "\n"
		proved   = `{"stream":"EVENTS","done":2,"total":2,"result":{"seq":2}}` + "\n"
		notes    = `{"stream":"NOTES","result":{"seq":0}}` + "\n"
		broken   = `{"stream":"NOTES","result":{"seq":0,"problem":"rotten"}}` + "\n"
		failed   = `{"stream":"EVENTS","error":"no disk"}` + "\n"
	)
	for answer, want := range map[string]string{
		progress + proved + notes: "",
		"":                        "ended before the log was verified",
		progress:                  "ended before the log was verified",
		notes:                     "ended before the log was verified",
		proved + broken:           "NOTES: rotten",
		failed:                    "no disk",
		proved + "CUT":            "cut short",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			text, cut := strings.CutSuffix(answer, "CUT")
			fmt.Fprint(w, text)
			_ = http.NewResponseController(w).Flush() // the client would say so
			if cut {
				panic(http.ErrAbortHandler)
			}
		}))
		err := verifyOptions{}.prove(t.Context(), asking(server.URL), newProof(genericiooptions.NewTestIOStreamsDiscard()))
		server.Close()
		if err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
	}
}
