// Package bench measures the whole of segno against the goals that
// docs/performance.md states: writes beside etcd, reads of the past beside reads
// of the present, and a simulated cluster as a process of its own.
//
// What comes in: nothing but the machine, and with SEGNO_CLIENTS a folder in
// which setup/clients.sh has put an etcd. What goes out: figures, as metrics of
// Go benchmarks.
//
// What never happens here: a verdict. Machines differ and are busy; the figures
// of one run are to be compared with each other.
//
// Everything is in test files: start with pods_test.go; process_test.go runs a
// cluster as a process, append_test.go and etcd_test.go are the two sides of one
// comparison.
package bench
