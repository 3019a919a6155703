// Package resolv says what stands in a pod's resolv.conf.
//
// What comes in: the text of the node's resolv.conf, what the node tells its
// pods of the cluster's DNS, and a pod's spec. What goes out: the text of the
// pod's file, and what had to be left out of it.
//
// What never happens here: a file is written, a question is asked.
//
// Start with pod.go; conf.go knows the format, file.go reads the node's.
package resolv
