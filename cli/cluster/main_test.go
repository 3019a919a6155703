package cluster

import (
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/server/ats"
)

func TestMain(m *testing.M) {
	ats.Register() // before any bubble: its goroutine must live outside of them
	os.Exit(m.Run())
}
