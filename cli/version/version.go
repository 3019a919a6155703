// Package version says which segno this is.
//
// What comes in: the linker's -X segno/cli/version.Version. What goes out: a
// text for people, and what GET /version answers. What never happens here:
// anything else. All of it is in this file.
package version

import (
	"runtime"
	"strings"

	"k8s.io/apimachinery/pkg/version"
)

// Version is segno's own, set by the linker: `git describe` at build time.
var Version = "dev"

// kubernetes is the release whose API segno speaks.
const (
	kubernetesMajor = "1"
	kubernetesMinor = "37"
	kubernetesFull  = "v1.37.2"
)

// API is what GET /version answers: the Kubernetes release, so that clients
// know what they may ask, with segno's version as build metadata.
func API() version.Info {
	return version.Info{
		Major: kubernetesMajor, Minor: kubernetesMinor,
		GitVersion: kubernetesFull + "+segno." + strings.NewReplacer("+", ".", "_", "-", "/", "-").Replace(Version),
		GoVersion:  runtime.Version(), Compiler: runtime.Compiler,
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}
