package proto

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Want is what the control plane relays to one node: pods that it should run; or
// to all: Services, what is behind them, and where the nodes are. Counter rises
// by one a message; a gap, or a reconnect, asks for a full sync. One without
// Pods changes nothing and does not count: it says the Counter again, so that
// who missed the last message finds out.
//
// A full sync comes in parts, one message each: all have the same Counter and
// are numbered from 0. It is everything once the part without More is there;
// until then nothing may be concluded from what is not in it.
type Want struct {
	Counter uint64    `msgpack:"n"`
	Full    bool      `msgpack:"f"` // Pods is everything the node should know; the rest is to go
	Pods    []WantPod `msgpack:"p"`
	Part    uint32    `msgpack:"a,omitempty"` // of a full sync
	More    bool      `msgpack:"m,omitempty"` // further parts follow
	// Seq of a full sync of what all nodes are told: it has everything up to
	// here. What is told after it may be older, for others' sake.
	Seq Seq `msgpack:"q,omitempty"`
}

// WantPod is one pod, or another object that nodes are told of, as it should
// be, or the word that it is gone.
type WantPod struct {
	Key  ObjectKey `msgpack:"k"`
	UID  string    `msgpack:"u"`
	Seq  Seq       `msgpack:"s"` // newest event: the cause of what the node does next
	Gone bool      `msgpack:"g"` // the object no longer exists: clean up without a report
	Body []byte    `msgpack:"b"` // protobuf of the whole object
}

// Report carries statuses from a node to the control plane. It is acknowledged
// (Reply) only once durable; until then the node keeps it and sends it again.
type Report struct {
	Items []ReportItem `msgpack:"i"`
	// Notes are for people. They happened before what Items say, and are gone
	// once the report is answered, written or not.
	Notes   []NodeNote `msgpack:"o,omitempty"`
	Dropped uint64     `msgpack:"d,omitempty"` // notes that the node had no room for
}

// ReportItem is the newest status of one object of the node: a pod, or the Node itself.
type ReportItem struct {
	Key    ObjectKey `msgpack:"k"`
	UID    string    `msgpack:"u"`
	Cause  Seq       `msgpack:"c"` // event that the node acted on; 0 when it happened by itself
	Reason string    `msgpack:"r"` // ContainerStarted, ContainerDied, …
	Status []byte    `msgpack:"s"` // protobuf of the whole object; only its status is used
	Ended  bool      `msgpack:"e"` // the pod's containers are gone: remove the terminating object
}

// Reply answers a Report item by item, in its order: "" when it is durable or
// moot (the object is gone), a text when it was refused for good. Fewer answers
// than items come when the Report could not be read: it is refused as a whole.
type Reply struct {
	Errors []string `msgpack:"e"`
	Retry  string   `msgpack:"r"` // set when nothing was taken and the node should try again
}

// Register is a node that says what it is.
type Register struct {
	Node []byte `msgpack:"o"` // protobuf of the v1.Node
}

// Registered answers the Node object as it then is, once durable.
type Registered struct {
	Node  []byte `msgpack:"o"`
	Error string `msgpack:"e"` // set when the node was refused
}

// Beat answers a heartbeat.
type Beat struct {
	Counter uint64 `msgpack:"n"` // of the newest Want relayed to the node
	Error   string `msgpack:"e"`
}

// JoinRequest is a machine with a token that asks to become a node. Public is
// the nkey that it made for itself; its seed never leaves it.
type JoinRequest struct {
	Name   NodeName `msgpack:"n"`
	Public string   `msgpack:"p"`
}

// JoinReply answers a JoinRequest.
type JoinReply struct {
	Cluster string `msgpack:"c"` // the cluster's name, for people
	Error   string `msgpack:"e"` // set when the machine was refused
	// DNS are the addresses at which the cluster's names are answered.
	DNS []string `msgpack:"d,omitempty"`
	// Services are the networks of the addresses of Services.
	Services []string `msgpack:"s,omitempty"`
}

// Pack writes a node message.
func Pack(message any) []byte {
	data, err := msgpack.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("pack %T: %v", message, err)) // only plain structs of this file come here
	}
	return data
}

// Unpack reads a node message. What a hostile one claims to hold is checked
// against what it does hold, before anything is allocated for it.
func Unpack(data []byte, message any) error {
	err := Plausible(data)
	if err == nil {
		err = msgpack.Unmarshal(data, message)
	}
	if err != nil {
		return fmt.Errorf("%w: %T: %w", ErrMalformed, message, err)
	}
	return nil
}

var (
	_ msgpack.CustomEncoder = ObjectKey{}
	_ msgpack.CustomDecoder = (*ObjectKey)(nil)
)

// EncodeMsgpack writes a key as its four parts. (By reflection the embedded
// resource's name would be lost: the object's has the same field name.)
func (k ObjectKey) EncodeMsgpack(enc *msgpack.Encoder) error {
	return enc.EncodeMulti([]string{k.Group, k.Resource.Name, k.Namespace, k.Name})
}

// DecodeMsgpack reads a key.
func (k *ObjectKey) DecodeMsgpack(dec *msgpack.Decoder) error {
	var parts []string
	if err := dec.Decode(&parts); err != nil {
		return err
	}
	if len(parts) != 4 {
		return fmt.Errorf("a key has 4 parts, not %d", len(parts))
	}
	*k = Resource{Group: parts[0], Name: parts[1]}.Key(parts[2], parts[3])
	return nil
}

// NodeServiceProxy is the condition of a node that says how it serves Services,
// and NodeNetworks the annotation that lists, with commas, the networks that it
// is on: the nodes decide by them who announces an address. NodeGateways lists
// the machines by which it reaches other networks, whose addresses no Service
// gets, and NodeHardware the hardware addresses at which it is found: those of
// nodes are told from those of strangers. NodeLink says how packets of its pods
// get to other nodes, which is to be the same on all.
const (
	NodeServiceProxy = "ServiceProxy"
	NodeNetworks     = "segno/networks"
	NodeGateways     = "segno/gateways"
	NodeHardware     = "segno/hardware-addresses"
	NodeLink         = "segno/node-link"
)
