// Package archives is where sealed epochs of a log lie: a file for each (package
// cli/archive), which together hold the log from its first transaction on. They lie in a
// folder, or in a bucket of a NATS server.
//
// What comes in: a projection and a span of it to keep. What goes out: a file
// that is whole and was read back; a list of the files; their transactions, in order,
// once they were found to lead to where the log goes on.
//
// What never happens here: a file is removed, or taken for what its name says. What
// is of another log, or of another history of this one, is told apart by its
// hashes, and left alone.
//
// Start with archives.go; chain.go finds which files are a log's, store.go says
// what a place must be able to do.
package archives
