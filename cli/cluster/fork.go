package cluster

import (
	"segno/cli/sandbox"
	"segno/cli/version"
)

// newForks is where forks of this cluster are kept. What it is given is for
// reading: no fork has a way to a door of the cluster.
func (c *Cluster) newForks() (*sandbox.Forks, error) {
	cfg := sandbox.ForksConfig{
		Cluster: c.cfg.Name, Table: c.table, Folds: c.ledgers.folds(), Version: version.API(), Grace: c.cfg.NodeGrace, Log: c.log,
	}
	if c.authority != nil {
		cfg.Issue = func(user, group string) (certificate, key []byte, err error) {
			pair, err := c.authority.Issue(user, group)
			return pair.Cert, pair.Key, err
		}
	}
	return sandbox.NewForks(cfg)
}
