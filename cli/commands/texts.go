package commands

import (
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// kubectlWord is kubectl as the name of a program: alone, not in an address
// or in the name of an annotation.
var kubectlWord = regexp.MustCompile(`(^|[\s"'` + "`" + `(])kubectl($|[\s"'` + "`" + `),:])`)

func ours(text string) string { return kubectlWord.ReplaceAllString(text, "${1}segno${2}") }

// speakOfSegno puts our name into the help that kubectl's commands bring. Our own
// commands are not for it: where they say kubectl, they mean it.
func speakOfSegno(cmd *cobra.Command) {
	cmd.Short, cmd.Long, cmd.Example = ours(cmd.Short), ours(cmd.Long), ours(cmd.Example)
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { flag.Usage = ours(flag.Usage) })
	for _, sub := range cmd.Commands() {
		speakOfSegno(sub)
	}
}
