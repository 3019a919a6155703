package cluster

import "segno/events"

// View is the newest state of all logs. Implements reconcilers.Views and part
// of bus.Cluster.
func (c *Cluster) View() events.View { return c.logs.Whole() }
