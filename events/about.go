package events

import "segno/proto"

// verbOf is the verb of an action's transaction.
func verbOf(action Action) string {
	switch action.(type) {
	case Create:
		return VerbCreate
	case Update:
		return VerbUpdate
	case Patch:
		return VerbPatch
	case Delete:
		return VerbDelete
	case Bind:
		return VerbBind
	case Elect:
		return VerbElect
	case Batch:
		return VerbBatch
	default:
		return "?"
	}
}

// keyOf names what an action is about, for messages.
func keyOf(action Action) proto.ObjectKey {
	switch a := action.(type) {
	case Create:
		key := a.Key
		if key.Name == "" && a.Object != nil {
			key.Name = a.Object.GetName() + a.Object.GetGenerateName()
		}
		return key
	case Update:
		return a.Key
	case Patch:
		return a.Key
	case Delete:
		return a.Key
	case Bind:
		return a.Key
	case Elect, Batch:
		return proto.ObjectKey{}
	default:
		return proto.ObjectKey{}
	}
}
