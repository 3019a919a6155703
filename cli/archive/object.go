package archive

import (
	"bytes"
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"segno/events"
	"segno/proto"
)

// object is a record as it lies in a file: an array of these, in this order.
type object struct {
	Group, Resource, Namespace, Name, UID string
	Seq, SpecSeq, StatusSeq, Created      uint64
	Encoding                              uint8
	At                                    int64 // Unix nanoseconds
	Spec, Status                          []byte
}

func encodeObject(r *events.Record) ([]byte, error) {
	var out bytes.Buffer
	enc := msgpack.NewEncoder(&out)
	enc.UseArrayEncodedStructs(true)
	err := enc.Encode(&object{
		Group: r.Key.Group, Resource: r.Key.Resource.Name, Namespace: r.Key.Namespace, Name: r.Key.Name, UID: r.UID,
		Seq: uint64(r.Seq), SpecSeq: uint64(r.SpecSeq), StatusSeq: uint64(r.StatusSeq), Created: uint64(r.Created),
		Encoding: uint8(r.Encoding), At: r.At.UnixNano(), Spec: r.Spec, Status: r.Status,
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", r.Key, err)
	}
	return out.Bytes(), nil
}

func decodeObject(data []byte) (*events.Record, error) {
	var o object
	if err := proto.Plausible(data); err != nil {
		return nil, fmt.Errorf("%w: an object that %w", ErrDamaged, err)
	}
	if err := msgpack.Unmarshal(data, &o); err != nil {
		return nil, fmt.Errorf("%w: an object: %w", ErrDamaged, err)
	}
	return &events.Record{
		Key: proto.Resource{Group: o.Group, Name: o.Resource}.Key(o.Namespace, o.Name), UID: o.UID,
		Seq: proto.Seq(o.Seq), SpecSeq: proto.Seq(o.SpecSeq), StatusSeq: proto.Seq(o.StatusSeq), Created: proto.Seq(o.Created),
		Encoding: proto.Encoding(o.Encoding), At: time.Unix(0, o.At).UTC(), Spec: o.Spec, Status: o.Status,
	}, nil
}
