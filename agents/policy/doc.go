// Package policy enforces NetworkPolicies on the pods of one node.
//
// What comes in: policies, pods and namespaces of the cluster, as the catalog has
// them, and the pods of this node as they get their addresses. What goes out: a
// Plan, who of them is isolated and who may still come or be gone to, changed
// where that changed; and word of whether this machine can enforce it.
//
// What never happens here: the kernel (package tables writes the plan there), a
// network, a rule about what policies may say (events/kinds).
//
// Start with plan.go, which says what a plan is; planner.go keeps it up to date,
// compile.go reads a policy, podset.go knows whom a selector means, enforcer.go
// runs it all, and force.go has it in force.
package policy
