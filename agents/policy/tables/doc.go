// Package tables writes a node's plan of NetworkPolicies to nftables.
//
// What comes in: a policy.Plan, whole or what changed of it. What goes out: two
// tables of the kernel, one for IPv4 and one for IPv6, changed in one
// transaction each time; and whether they are still as they were written.
//
// What never happens here: a decision who may go where, a change to a table of
// anybody else's.
//
// Start with tables.go; layout.go says what is in a table, rule.go how a rule is
// told to the kernel, compare.go reads back.
package tables
