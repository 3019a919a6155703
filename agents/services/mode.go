package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"segno/agents/network"
	"segno/agents/proxy"
	"segno/agents/proxy/ipvs"
	"segno/agents/proxy/nftables"
	"segno/agents/proxy/userspace"
)

// Mode is who moves the traffic of Services.
type Mode string

// The modes. Auto is the first of the others that this machine is able to have.
const (
	Auto      Mode = "auto"
	IPVS      Mode = "ipvs"
	NFTables  Mode = "nftables"
	Userspace Mode = "userspace"
)

// Modes are all of them.
var Modes = []string{string(Auto), string(IPVS), string(NFTables), string(Userspace)}

// ParseMode reads a mode; empty is Auto.
func ParseMode(text string) (Mode, error) {
	if text == "" {
		return Auto, nil
	}
	if !slices.Contains(Modes, text) {
		return "", fmt.Errorf("proxy mode %q: must be %s", text, strings.Join(Modes, ", "))
	}
	return Mode(text), nil
}

// ParseScheduler reads how IPVS chooses backends; empty is its default.
func ParseScheduler(text string) (string, error) {
	if text == "" {
		return ipvs.DefaultScheduler, nil
	}
	if !slices.Contains(ipvs.Schedulers, text) {
		return "", fmt.Errorf("IPVS scheduler %q: must be %s", text, strings.Join(ipvs.Schedulers, ", "))
	}
	return text, nil
}

// Schedulers are those that IPVS may have.
var Schedulers = ipvs.Schedulers

// DefaultScheduler is the one that it has unless it is told.
const DefaultScheduler = ipvs.DefaultScheduler

// candidate is a plane that a machine may be able to have.
type candidate struct {
	mode   Mode
	reason string // of a node that has it
	lacks  string // reason of a node that cannot have it
	what   string
	repair string // brings it about, perhaps
	open   func(Options, *slog.Logger) (proxy.Plane, error)
}

// candidates, the best first.
var candidates = []candidate{
	{IPVS, "IPVS", "IPVSUnavailable", "the kernel's IPVS", "modprobe ip_vs", func(o Options, log *slog.Logger) (proxy.Plane, error) {
		return ipvs.New(ipvs.Config{Scheduler: o.Scheduler, Logger: log})
	}},
	{NFTables, "NFTables", "NFTablesUnavailable", "the kernel's nftables", "modprobe nf_tables nft_chain_nat nft_masq", func(_ Options, log *slog.Logger) (proxy.Plane, error) {
		return nftables.New(nftables.Config{Logger: log})
	}},
	{Userspace, "Userspace", "", "the agent itself, in user space,", "free its ports", func(_ Options, log *slog.Logger) (proxy.Plane, error) {
		return userspace.New(userspace.Config{Logger: log})
	}},
}

// choose answers the plane, and why it is this one. What other planes of this
// machine's former modes left is removed.
func choose(ctx context.Context, options Options, log *slog.Logger) (proxy.Plane, Status, error) {
	mode := options.Mode
	var chosen proxy.Plane
	var status Status
	var lacks []string
	for _, c := range candidates {
		plane, err := c.open(options, log)
		wanted := chosen == nil && (mode == c.mode || mode == Auto || mode == "")
		switch {
		case wanted && err != nil && mode == c.mode:
			return nil, status, fmt.Errorf("--proxy-mode=%s: %w; it is tried again and again: load what lacks (%s), or take --proxy-mode=auto", mode, err, c.repair)
		case wanted && err != nil:
			lacks = append(lacks, err.Error())
			status.Reason = c.lacks // the last one before the one that is taken
		case wanted:
			chosen = plane
			status = chosenStatus(c, status.Reason, lacks)
		case err == nil:
			if err := plane.Remove(ctx); err != nil {
				log.Warn("rules of another proxy mode may be left", "mode", c.mode, "error", err)
			}
		}
	}
	if chosen == nil {
		return nil, status, fmt.Errorf("no proxy mode works here: %s", strings.Join(lacks, "; "))
	}
	return chosen, status, nil
}

func chosenStatus(c candidate, lacking string, lacks []string) Status {
	out := Status{Served: true, Reason: c.reason, Message: c.what + " moves the traffic of Services"}
	if lacking != "" {
		out.Reason = lacking
		out.Message += ", because better ones cannot be had: " + strings.Join(lacks, "; ")
	}
	return out
}

// Remove takes away what any mode left in this network namespace, with the
// addresses of DNS: for a cluster that is no more. It leaves everything while
// another node serves there.
func Remove(ctx context.Context) error {
	release, err := claim()
	if errors.Is(err, errClaimed) {
		return nil // and keeps its own
	}
	if err != nil {
		return err
	}
	defer release()
	var left []error
	for _, c := range candidates {
		plane, err := c.open(Options{}, slog.New(slog.DiscardHandler))
		if err != nil {
			continue // who cannot have it has left nothing
		}
		if err := plane.Remove(ctx); err != nil {
			left = append(left, fmt.Errorf("remove the rules of mode %s: %w", c.mode, err))
		}
	}
	return errors.Join(append(left, network.Answer())...)
}
