package events

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

// Command asks for a change. It is decided against the newest state by the
// one sequencer, whoever sends it.
type Command struct {
	Actor       proto.Actor
	Cause       proto.Cause // a zero cause with a Correlation is a request from outside
	Correlation string      // request id at the root; the sequencer fills it from Cause.Seq when empty
	Via         string      // the command line or component, for people
	Manager     string      // field manager
	DryRun      bool        // decide, answer, append nothing
	Reason      string      // overrides the event's reason when set
	Action      Action
}

// Action is the closed set of changes.
//
//sumtype:decl
type Action interface{ action() }

// Create makes a new object. Object is decoded, not yet defaulted. A
// generateName is completed with NameSuffix, made by the caller: Decide draws
// no random numbers. UID likewise.
type Create struct {
	Key        proto.ObjectKey // Name may be empty with generateName
	Object     Object
	UID        types.UID
	NameSuffix string // five characters for generateName
}

// Update replaces the object, or one subresource of it ("status", "scale").
// A resourceVersion in Object must match; an empty one overwrites.
type Update struct {
	Key         proto.ObjectKey
	Subresource string
	Object      Object
	// CreateUID, when set, lets Update create what does not exist (PUT as upsert).
	CreateUID types.UID
}

// Patch changes the object by a JSON, merge or strategic-merge patch, or by
// server-side apply (types.ApplyYAMLPatchType), which needs Command.Manager.
type Patch struct {
	Key         proto.ObjectKey
	Subresource string
	Type        types.PatchType
	Data        []byte
	Validation  FieldValidation
	Force       bool      // server-side apply: take over fields that others manage
	CreateUID   types.UID // server-side apply: create what does not exist
}

// Delete ends the object, or begins to: a grace period, finalizers and
// propagation are observed as Kubernetes documents them.
type Delete struct {
	Key     proto.ObjectKey
	Options metav1.DeleteOptions
}

// Bind puts a pod on a node: the scheduler's command. Version is the pod's
// resourceVersion it was decided on; 0 is any.
type Bind struct {
	Key     proto.ObjectKey
	UID     types.UID
	Node    proto.NodeName
	Version proto.Seq
}

// Elect marks a new leader's first entry in the log.
type Elect struct {
	Term uint64
	ID   string
}

// Batch is several changes in one transaction: all or none.
type Batch []Action

func (Create) action() {}
func (Update) action() {}
func (Patch) action()  {}
func (Delete) action() {}
func (Bind) action()   {}
func (Elect) action()  {}
func (Batch) action()  {}

// FieldValidation is what happens to unknown and duplicate fields.
type FieldValidation string

// The values of the API's fieldValidation parameter.
const (
	ValidateIgnore FieldValidation = "Ignore"
	ValidateWarn   FieldValidation = "Warn"
	ValidateStrict FieldValidation = "Strict"
)

// Decision is a decided command: the events to append (none when nothing
// changes) and the object as it is afterwards.
type Decision struct {
	Verb     string
	Events   []proto.Event
	Object   Object    // after; with its old resourceVersion (none when created) until Overlay.Push gives the new one; nil for Elect and Batch
	Touched  []Touched // every object that Events change, as it is afterwards, in the order of Events
	Created  bool      // Object did not exist before
	Deleted  bool      // Object is gone (not merely terminating)
	Warnings []string  // for the Warning header
}

// Touched is one object after a decision; Object is nil when it is gone.
// Object is never written to again: an Overlay shares it.
type Touched struct {
	Key    proto.ObjectKey
	Object Object
}

// Outcome is what the sequencer answers once the decision is durable.
type Outcome struct {
	Seq      proto.Seq // of the transaction; 0 when nothing was appended
	Object   Object    // with its resourceVersion
	Created  bool
	Deleted  bool // the object is gone (not merely terminating)
	Warnings []string
}
