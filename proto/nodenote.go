package proto

// NodeNote is a line for people about one object of a node: what happened to
// a pod there, or to the node itself. It is evidence, not truth: a node keeps
// few of them while the control plane is away, and some may be lost.
type NodeNote struct {
	Key       ObjectKey `msgpack:"k"`
	UID       string    `msgpack:"u"`
	Container string    `msgpack:"c"` // of the pod; "" when it is about the pod as a whole
	Warning   bool      `msgpack:"w"`
	Reason    string    `msgpack:"r"` // one CamelCase word: Pulled, Started, BackOff, …
	Message   string    `msgpack:"m"`
	Similar   bool      `msgpack:"s"` // stands for many that differ only in their message
	Count     int32     `msgpack:"n"` // how often it happened
	First     int64     `msgpack:"f"` // Unix nanoseconds, by the node's clock
	Last      int64     `msgpack:"l"`
}

// What a node may say in notes; the rest is refused.
const (
	MostNodeNotes   = 128 // in one report
	LongestNoteText = 1024
)
