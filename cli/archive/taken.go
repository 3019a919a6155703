package archive

import (
	"iter"
	"slices"

	"segno/events"
	"segno/proto"
)

// taken notes an object whose values were taken out of the log.
func (f *folding) taken(key proto.ObjectKey) {
	if f.stream == proto.StreamEvents && proto.Secret(key.Resource) && !slices.Contains(f.archive.Taken, key) {
		f.archive.Taken = append(f.archive.Taken, key)
	}
}

// records are those that the log begins with. A Secret among them is without its
// values when the file is.
func (f *folding) records(in *Reader) iter.Seq2[*events.Record, error] {
	return func(yield func(*events.Record, error) bool) {
		for rec, err := range in.Records() {
			if err == nil && f.archive.Header.Redacted {
				f.taken(rec.Key)
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}
