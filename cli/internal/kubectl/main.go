// Command kubectl is the stock client of Kubernetes, built from the version of
// k8s.io/kubectl in go.mod. Tests run it beside segno to prove that an
// unmodified client works.
//
// What comes in: kubectl's arguments. What goes out: what kubectl says, and its
// exit status. What never happens here: anything of segno; it is no part of the
// product and imports none of it.
//
// There is this file only; setup/clients.sh builds it.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	// The flags are parsed late, and making the command already logs.
	if _, err := logs.GlogSetter(cmd.GetLogVerbosity(os.Args)); err != nil {
		util.CheckErr(err)
	}
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
