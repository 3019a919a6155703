package condition

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestE10FlawsQuoteNoValues: what goes wrong with a value is told by where and in
// which function.
func TestE10FlawsQuoteNoValues(t *testing.T) {
	const encoded = "aHVudGVyMg=="
	state := clusterOf(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "creds", Namespace: "default"},
		Data:       map[string][]byte{"password": []byte("hunter2")}, StringData: map[string]string{"plain": "hunter2", "number": "31337"},
	})
	const secret = `object("secret/creds").data.password`
	const plain = `object("secret/creds").stringData.plain`
	for text, want := range map[string]string{
		`"x".matches("(" + ` + secret + `)`:                                   "column 12: matches() cannot take",
		`timestamp(` + secret + `) < timestamp("2026-11-23T00:00:00Z")`:       "column 10: timestamp() cannot take",
		`duration(` + plain + `) < duration("1s")`:                            "duration() cannot take",
		`int(` + plain + `) == 1`:                                             "int() cannot take",
		`uint(` + plain + `) == 1u`:                                           "uint() cannot take",
		`double(` + plain + `) == 1.0`:                                        "double() cannot take",
		`bool(` + plain + `)`:                                                 "bool() cannot take",
		`timestamp("2026-11-23T00:00:00Z").getHours(` + plain + `) == 1`:      "getHours() cannot take",
		`[1][int(object("secret/creds").stringData.number)] == 1 || 1/0 == 1`: "",
		`1 / int("0") == 1`:                                                   "division by zero",
		plain:                                                                 "the expression is a string",
		`{` + plain + `: 1, ` + plain + `: 2}.size() == 1`:                    "",
		`-object("secret/creds").stringData.plain == 1`:                       "cannot be computed with these types",
	} {
		c, err := Compile(Config{Table: table}, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		truth, err := c.Holds(t.Context(), state, nil)
		if err == nil && want != "" {
			t.Errorf("%s is %v, want an error", text, truth)
		}
		if err == nil {
			continue
		}
		got := strings.ReplaceAll(err.Error(), text, "")
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want in it: %s", text, got, want)
		}
		if strings.Contains(got, encoded) || strings.Contains(got, "hunter2") || strings.Contains(got, "31337") {
			t.Errorf("%s: a value is quoted: %s", text, got)
		}
	}
}
