// Command segno runs clusters and speaks to them; see package commands.
//
// What comes in: arguments. What goes out: an exit status. What never happens
// here: anything but handing over.
//
// There is this file only; commands/root.go is where to go on.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"segno/agents"
	"segno/cli/commands"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == "pause" { // inside the sandbox of a pod
		agents.Pause(ctx)
		return
	}
	stop() // commands ask for signals themselves; kubectl's end with the default
	os.Exit(commands.Execute(context.Background(), os.Args))
}
