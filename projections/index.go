package projections

import (
	"bytes"
	"slices"

	"segno/events"
	"segno/proto"
)

var pods = proto.Resource{Name: "pods"}

// termsHash tells whether two rows have the same index rows; zero is none. (It is
// made of SHA-256, so that nobody can choose labels that are mistaken for
// others.)
type termsHash [16]byte

func hashTerms(keys [][]byte) (out termsHash) {
	if len(keys) == 0 {
		return out
	}
	hash := proto.HashOf(bytes.Join(keys, nil))
	copy(out[:], hash[:])
	return out
}

// indexKeys are the rows by which a living object is found, sorted. They
// depend on its spec section alone.
func (p *Projection) indexKeys(r *row) [][]byte {
	if !r.live() {
		return nil
	}
	key := r.rec.Key
	m := p.metaOf(r.rec)
	keys := make([][]byte, 0, len(m.Labels)+len(m.Owners)+1)
	for _, l := range m.Labels {
		keys = append(keys, appendTexts(labelPrefix(key.Resource, string(l.Key), string(l.Value)), key.Namespace, key.Name))
	}
	for _, uid := range m.Owners {
		keys = append(keys, appendTexts(ownerPrefix(string(uid), key.Resource), key.Namespace, key.Name))
	}
	if len(m.Node) > 0 {
		keys = append(keys, appendTexts(nodePrefix(string(m.Node)), key.Namespace, key.Name))
	}
	keys = append(keys, p.fieldKeys(r.rec)...)
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal)
}

// metaOf reads what indexes need out of the record; bodies that are not protobuf
// are decoded by the table, and have no index rows when that fails.
func (p *Projection) metaOf(rec *events.Record) (m events.Meta) {
	if rec.Encoding == proto.EncodingProtobuf || rec.Encoding == proto.EncodingNone {
		return events.ScanMeta(rec)
	}
	obj, err := p.table.Decode(rec)
	if err != nil {
		return m
	}
	for k, v := range obj.GetLabels() {
		m.Labels = append(m.Labels, events.MetaLabel{Key: []byte(k), Value: []byte(v)})
	}
	for _, owner := range obj.GetOwnerReferences() {
		m.Owners = append(m.Owners, []byte(owner.UID))
	}
	return m
}

func labelPrefix(r proto.Resource, key, value string) []byte {
	return appendTexts(appendResource(nil, spaceLabel, r), key, value)
}

func ownerPrefix(uid string, r proto.Resource) []byte {
	return appendTexts([]byte{spaceOwner}, uid, r.Group, r.Name)
}

func nodePrefix(node string) []byte { return appendText([]byte{spaceNode}, node) }

func fieldPrefix(r proto.Resource, field, value string) []byte {
	return appendTexts(appendResource(nil, spaceField, r), field, value)
}

// indexedFields are the selectable fields that have an index. The fold decodes
// only objects of these resources. (A pod's node has an index of its own.)
var indexedFields = map[proto.Resource][]string{
	{Name: "events"}: {"involvedObject.uid", "involvedObject.name"},
}

// fieldKeys are the rows of the record's indexed fields.
func (p *Projection) fieldKeys(rec *events.Record) (keys [][]byte) {
	indexed := indexedFields[rec.Key.Resource]
	kind := p.table.Of(rec.Key.Resource)
	if len(indexed) == 0 || kind == nil || kind.Fields == nil {
		return nil
	}
	obj, err := p.table.Decode(rec)
	if err != nil {
		return nil
	}
	values := kind.Fields(obj)
	for _, field := range indexed {
		if value := values.Get(field); value != "" {
			keys = append(keys, appendTexts(fieldPrefix(rec.Key.Resource, field, value), rec.Key.Namespace, rec.Key.Name))
		}
	}
	return keys
}

// diff walks two sorted lists of keys and reports what only one of them has.
func diff(before, now [][]byte, gone, added func(key []byte) error) error {
	for len(before) > 0 || len(now) > 0 {
		var order int
		switch {
		case len(before) == 0:
			order = 1
		case len(now) == 0:
			order = -1
		default:
			order = bytes.Compare(before[0], now[0])
		}
		var err error
		switch {
		case order < 0:
			err, before = gone(before[0]), before[1:]
		case order > 0:
			err, now = added(now[0]), now[1:]
		default:
			before, now = before[1:], now[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}
