package contexts

import (
	"os"
	"path/filepath"
)

// Environment variables of the command line.
const (
	EnvHome    = "SEGNO_HOME"    // folder of contexts and run files; default ~/.segno
	EnvContext = "SEGNO_CONTEXT" // default of --context
)

// Home is the folder where a person's contexts and run files are kept.
func Home() string {
	if dir := os.Getenv(EnvHome); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "segno")
	}
	return filepath.Join(home, ".segno")
}

// File is segno's kubeconfig: KUBECONFIG and --kubeconfig come before it.
func File() string { return filepath.Join(Home(), "config") }

// DataDir is where `segno up` keeps a cluster unless told otherwise.
func DataDir() string {
	if os.Geteuid() == 0 && os.Getenv(EnvHome) == "" {
		return "/var/lib/segno"
	}
	return filepath.Join(Home(), "data")
}
