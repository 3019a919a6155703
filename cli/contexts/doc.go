// Package contexts knows where the command line goes: the kubeconfig file of
// segno's own contexts, what segno adds to it, and which clusters run on this
// machine.
//
// What comes in: environment variables, kubeconfig files, run files. What goes
// out: a kubeconfig with one more context, the bus address and credential
// of a context, a list of local clusters.
//
// What never happens here: a connection.
//
// Start with bus.go (what segno adds to a kubeconfig) and home.go (where it lies).
package contexts
