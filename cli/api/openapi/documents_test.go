package openapi

import (
	"testing"

	"segno/events/kinds"
)

// BenchmarkDocuments makes every document from nothing, as the first client
// of a cluster has it done.
func BenchmarkDocuments(b *testing.B) {
	table := kinds.Table()
	for _, ask := range []struct{ name, path, accept string }{
		{"v3", "/openapi/v3", ""}, {"v2", "/openapi/v2", ""}, {"v2-protobuf", "/openapi/v2", binaryAsked},
	} {
		b.Run(ask.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				doc, found, err := New(Config{Table: table}).Find(ask.path, ask.accept)
				if err != nil || !found {
					b.Fatal(found, err)
				}
				b.ReportMetric(float64(len(doc.Body)), "bytes")
			}
		})
	}
}
