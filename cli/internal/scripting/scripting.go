// Package scripting is what scripts of commands (testscript) may say besides
// what testscript knows.
//
// What comes in: the words of a line. What goes out: a variable, or a script that
// fails.
//
// What never happens here: anything outside of tests. There is this file only.
package scripting

import (
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Let keeps a part of the last command's output: let NAME REGEXP, whose first
// group, or else whole match, becomes $NAME.
func Let(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: let NAME REGEXP")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("nothing in the output is like %s", args[1])
	}
	ts.Setenv(args[0], found[len(found)-1])
}

// Await waits until a file that a command in the background writes has what is
// sought: await FILE REGEXP.
func Await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	file := ts.MkAbs(args[0])
	const patience, glance = 20 * time.Second, 5 * time.Millisecond
	for waited := time.Duration(0); waited < patience; waited += glance {
		if data, err := os.ReadFile(file); err == nil && pattern.Match(data) {
			return
		}
		time.Sleep(glance)
	}
	ts.Fatalf("%s has nothing like %s", args[0], args[1])
}
