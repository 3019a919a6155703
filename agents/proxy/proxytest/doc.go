// Package proxytest is what every data plane must do, tried with real traffic.
//
// What comes in: something that makes a plane, and what that kind of plane is
// able to do. What goes out: passed and failed tests.
//
// What never happens here: anything on the machine's own network. Main starts
// the tests again in a network namespace, which is the node; pods, a second
// node and clients are further namespaces of the same process. Nothing is
// called but the kernel, so that the suite also runs where there is only a
// kernel.
//
// Start with suite.go, the list of what is tried; machine.go builds the network,
// talk.go is what servers and clients say.
package proxytest
