// Package archives is a folder of sealed epochs of a log: a file for each
// (package cli/archive), which together hold the log from its first transaction
// on.
//
// What comes in: a projection and a span of it to keep. What goes out: a file
// that is whole and was read back; a list of the files; their transactions, in order.
//
// What never happens here: a file is removed, or taken for what its name says.
//
// There is folder.go only.
package archives
