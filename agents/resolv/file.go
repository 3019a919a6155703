package resolv

import "os"

// File reads a resolv.conf each time it is asked: of the node's, for Cluster.
// One that cannot be read says nothing.
func File(path string) func() Conf {
	return func() Conf {
		text, _ := os.ReadFile(path)
		return Parse(string(text))
	}
}
