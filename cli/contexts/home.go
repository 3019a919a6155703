package contexts

import (
	"fmt"
	"os"
	"path/filepath"
)

// Environment variables of the command line.
const (
	EnvHome    = "SEGNO_HOME"    // folder of contexts and run files; default ~/.segno
	EnvContext = "SEGNO_CONTEXT" // default of --context
)

// CheckHome says what is missing where a person's folder cannot be found. Keys
// are kept there: no folder that others can write to does instead.
func CheckHome() error {
	if os.Getenv(EnvHome) == "" && os.Getenv("HOME") == "" {
		return fmt.Errorf("there is no folder for contexts and keys: set HOME or %s", EnvHome)
	}
	return nil
}

// Home is the folder where a person's contexts and run files are kept; nothing
// can be kept there when CheckHome fails.
func Home() string {
	if dir := os.Getenv(EnvHome); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.DevNull, "segno")
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
