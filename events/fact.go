package events

import "segno/proto"

// Fact is the kind of an event: what happened, in the past tense. The set is
// closed: the constants below and, for every kind of the table, its generic
// facts (<Kind>Created, …). Table.Facts lists it; Decide writes nothing else.
type Fact string

// The facts that have a name of their own. A kind's Classify chooses among
// them; what it leaves unnamed gets the kind's generic name.
const (
	LeaderElected Fact = "LeaderElected"

	NamespaceTerminating Fact = "NamespaceTerminating"
	NamespaceFinalized   Fact = "NamespaceFinalized"

	NodeRegistered Fact = "NodeRegistered"
	NodeReady      Fact = "NodeReady"
	NodeNotReady   Fact = "NodeNotReady"
	NodeSilent     Fact = "NodeSilent"
	NodeCordoned   Fact = "NodeCordoned"
	NodeUncordoned Fact = "NodeUncordoned"
	NodeTainted    Fact = "NodeTainted"

	PodBound           Fact = "PodBound"
	PodUnschedulable   Fact = "PodUnschedulable"
	PodStarted         Fact = "PodStarted"
	PodReady           Fact = "PodReady"
	PodUnready         Fact = "PodUnready"
	PodSucceeded       Fact = "PodSucceeded"
	PodFailed          Fact = "PodFailed"
	PodEvicted         Fact = "PodEvicted"
	ContainerWaiting   Fact = "ContainerWaiting"
	ContainerStarted   Fact = "ContainerStarted"
	ContainerDied      Fact = "ContainerDied"
	ContainerRestarted Fact = "ContainerRestarted"

	ReplicaSetScaled          Fact = "ReplicaSetScaled"
	DeploymentScaled          Fact = "DeploymentScaled"
	DeploymentPaused          Fact = "DeploymentPaused"
	DeploymentResumed         Fact = "DeploymentResumed"
	DeploymentTemplateChanged Fact = "DeploymentTemplateChanged"
	DeploymentCompleted       Fact = "DeploymentCompleted"
	DeploymentStalled         Fact = "DeploymentStalled"

	EndpointsChanged      Fact = "EndpointsChanged"
	EndpointSliceChanged  Fact = "EndpointSliceChanged"
	ConfigMapChanged      Fact = "ConfigMapChanged"
	SecretChanged         Fact = "SecretChanged"
	ServiceAllocated      Fact = "ServiceAllocated"
	LeaseRenewed          Fact = "LeaseRenewed"
	LeaseAcquired         Fact = "LeaseAcquired"
	EventRepeated         Fact = "EventRepeated"
	FinalizerRemoved      Fact = "FinalizerRemoved"
	LabelsChanged         Fact = "LabelsChanged"
	AnnotationsChanged    Fact = "AnnotationsChanged"
	OwnerReferenceChanged Fact = "OwnerReferenceChanged"
)

// named lists the constants above.
var named = []Fact{
	LeaderElected,
	NamespaceTerminating, NamespaceFinalized,
	NodeRegistered, NodeReady, NodeNotReady, NodeSilent, NodeCordoned, NodeUncordoned, NodeTainted,
	PodBound, PodUnschedulable, PodStarted, PodReady, PodUnready, PodSucceeded, PodFailed, PodEvicted,
	ContainerWaiting, ContainerStarted, ContainerDied, ContainerRestarted,
	ReplicaSetScaled, DeploymentScaled, DeploymentPaused, DeploymentResumed, DeploymentTemplateChanged,
	DeploymentCompleted, DeploymentStalled,
	EndpointsChanged, EndpointSliceChanged, ConfigMapChanged, SecretChanged, ServiceAllocated,
	LeaseRenewed, LeaseAcquired, EventRepeated,
	FinalizerRemoved, LabelsChanged, AnnotationsChanged, OwnerReferenceChanged,
}

// turn is one of the five generic things that can happen to an object.
type turn string

const (
	created           turn = "Created"
	specChanged       turn = "SpecChanged"
	statusChanged     turn = "StatusChanged"
	deletionRequested turn = "DeletionRequested"
	deleted           turn = "Deleted"
)

var turns = []turn{created, specChanged, statusChanged, deletionRequested, deleted}

// generic names a turn of the kind.
func (k *Kind) generic(t turn) Fact { return Fact(k.GVK.Kind + string(t)) }

// closeFacts computes the closed set of a table.
func closeFacts(kinds []*Kind) map[Fact]bool {
	set := map[Fact]bool{}
	for _, f := range named {
		set[f] = true
	}
	for _, k := range kinds {
		for _, t := range turns {
			set[k.generic(t)] = true
		}
	}
	return set
}

// Facts lists the closed set: every name that an event of this table can have.
func (t *Table) Facts() []Fact {
	out := append([]Fact(nil), named...)
	for _, k := range t.kinds {
		for _, turn := range turns {
			out = append(out, k.generic(turn))
		}
	}
	return out
}

// Known tells whether a name is in the closed set.
func (t *Table) Known(f Fact) bool { return t.facts[f] }

// nameChange names one section's change: as the kind classifies it, or else, and
// for any name outside the closed set, generically.
func (t *Table) nameChange(kind *Kind, before, after Object, section proto.Section) (Fact, string) {
	fallback := kind.generic(turnOf(before, after, section))
	if kind.Classify == nil {
		return fallback, ""
	}
	name, reason := kind.Classify(before, after, section)
	if fact := Fact(name); t.facts[fact] {
		return fact, reason
	}
	return fallback, reason
}

func turnOf(before, after Object, section proto.Section) turn {
	switch {
	case after == nil:
		return deleted
	case section == proto.SectionStatus:
		return statusChanged
	case before == nil:
		return created
	case before.GetDeletionTimestamp() == nil && after.GetDeletionTimestamp() != nil:
		return deletionRequested
	default:
		return specChanged
	}
}
