// Package server answers what the control plane asks of a node about a
// running pod: its logs, a command in it, its streams, its ports. The paths
// and parameters are those of a kubelet.
//
// What comes in: HTTP requests on a listener that only the control plane can
// reach. What goes out: byte streams, errors in the Kubernetes Status form.
//
// What never happens here: an open port, a check of who asks (the control
// plane has done that), an effect on a pod's life.
//
// Start with server.go; logs.go, exec.go and ports.go are a path each.
package server
