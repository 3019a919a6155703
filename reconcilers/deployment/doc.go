// Package deployment rolls pods from one template to the next.
//
// What comes in: a Deployment, the ReplicaSets that it owns or could adopt and,
// for the Recreate strategy, the pods of these. What goes out: ReplicaSets to
// create, to scale and, when the history gets too long, to delete; revisions;
// and the Deployment's status with its conditions.
//
// What never happens here: a pod is created or deleted (that is package
// replicaset), or a template is changed. An undo is a person's change of the
// template; here it only finds the old ReplicaSet again.
//
// Start with reconciler.go, then plan.go, which everything else writes into:
// newset.go (the ReplicaSet of the current template), rolling.go, recreate.go,
// scale.go (also in the middle of a rollout), status.go and progress.go.
package deployment
