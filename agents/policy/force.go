package policy

import (
	"errors"
	"fmt"
)

// errUnable says that this machine has no tables.
var errUnable = errors.New("policies are not in force on this node")

// enforce brings the tables to the plan.
func (e *Enforcer) enforce() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.write()
	switch {
	case err == nil:
		e.tell(Status{true, "Enforced", "nftables holds pods to NetworkPolicies"})
	case errors.Is(err, errUnable):
		e.tell(Status{false, "NFTablesUnavailable", err.Error()})
	case errors.Is(err, errBridged):
		e.tell(Status{false, "BridgeFilterUnavailable", err.Error()})
		err = nil // the rest is in force
	default:
		e.tell(Status{false, "PolicyWriteFailed", err.Error()})
	}
	return err
}

// filtering is what Filter was told last.
type filtering uint8

const (
	filteringUnknown filtering = iota // an earlier agent may have turned it on
	filteringOff
	filteringOn
)

// errBridged says that pods of this node reach each other past the tables.
var errBridged = errors.New("NetworkPolicies do not hold between pods of this node")

func (e *Enforcer) write() error {
	plan := e.planner.Plan()
	if e.tables == nil {
		tables, err := e.cfg.Open()
		if err != nil {
			return fmt.Errorf("%w: %w", errUnable, err)
		}
		e.planner.Take()
		if err := tables.Sync(plan); err != nil {
			return errors.Join(err, tables.Close())
		}
		e.tables = tables
		return e.filter()
	}
	touched := e.planner.Take()
	if touched.Nothing() {
		return e.filter()
	}
	if err := e.tables.Change(plan, &touched); err != nil {
		e.cfg.Logger.Warn("the tables of policies are written anew", "error", err)
		if err := e.tables.Sync(plan); err != nil {
			e.close() // from the beginning, the next time
			return err
		}
	}
	return e.filter()
}

// filter is on while there is a policy, also of other nodes' pods: the kernel then
// knows which connections there were when one isolates a pod here. It is off
// otherwise, as others' rules see those packets, too.
func (e *Enforcer) filter() error {
	on := e.planner.Policed()
	want := filteringOff
	if on {
		want = filteringOn
	}
	if want == e.filtered {
		return nil
	}
	if err := e.cfg.Filter(on); err != nil && on {
		return fmt.Errorf("%w: %w", errBridged, err)
	}
	e.filtered = want
	return nil
}
