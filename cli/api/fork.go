package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"segno/cli/api/history"
	"segno/proto"
)

// forkPrefix starts the path of every request to a fork:
// /fork/<name>/<the path there>.
const forkPrefix = "/fork/"

// Forks keeps clusters that go on from moments of this one's past.
type Forks interface {
	// Make begins one that nobody has yet; the answer has its credential.
	Make(ctx context.Context, request history.ForkRequest, at proto.Seq, clock time.Time) (history.Fork, error)
	List() history.Forks
	// Remove frees everything of one.
	Remove(name string) error
	// Advance lets time pass in one.
	Advance(ctx context.Context, name string, by time.Duration) (history.Fork, error)
	// Door answers where one is asked; ok is false when there is none of that name.
	Door(name string) (door ForkDoor, ok bool)
}

// ForkDoor is where a fork is asked.
type ForkDoor struct {
	API   http.Handler
	Group string // may ask it, and nothing else; besides masters
	Log   ForkLog
	At    proto.Seq // the last transaction that is the cluster's
	Now   time.Time // what its clock shows
}

// mayEnter tells whether a user may ask a fork.
func (u User) mayEnter(door ForkDoor) bool {
	return u.listed(GroupMasters) && !u.forked() || door.Group != "" && u.listed(door.Group)
}

// GroupForks begins the group of a credential that is good for one fork alone.
const GroupForks = "segno:fork:"

// forked tells whether the user's credential is that of a fork.
func (u User) forked() bool {
	for _, group := range u.Groups {
		if strings.HasPrefix(group, GroupForks) {
			return true
		}
	}
	return false
}

// enterFork hands the request to a fork, if the user may ask it.
func (c *call) enterFork(rest string) error {
	user, ok := UserFrom(c.r.Context())
	if !ok {
		return statusText(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	}
	c.user = user
	c.target = Target{Verb: strings.ToLower(c.r.Method), Path: c.r.URL.Path}
	name, path, _ := strings.Cut(rest, "/")
	if c.api.cfg.Forks == nil {
		return notServed()
	}
	door, found := c.api.cfg.Forks.Door(name)
	switch {
	case !found && user.forked() && user.Name == "fork:"+name:
		return statusText(http.StatusForbidden, "Forbidden", "the fork %q ended: it was removed, or the control plane restarted; its context is of no use any more: segno fork rm %s, in the cluster's own context", name, name)
	case !user.mayEnter(door):
		return forbiddenPath(user, c.target, "")
	case !found:
		return noFork(name)
	}
	c.r = c.r.Clone(c.r.Context())
	c.r.URL.Path, c.r.URL.RawPath = "/"+path, ""
	door.API.ServeHTTP(c.w, c.r)
	return nil
}

// noFork is the answer where a fork of that name is not there.
func noFork(name string) error {
	return statusText(http.StatusNotFound, "NotFound", "there is no fork %q; those there are: segno fork ls (a restart of the control plane ends all)", name)
}

func (c *call) listForks() error {
	if c.api.cfg.Forks == nil {
		return notKept()
	}
	c.target.Verb = verbList
	return c.sendJSON(c.api.cfg.Forks.List())
}

// makeFork begins a fork as of the moment that the path names, or now.
func (c *call) makeFork() error {
	if c.api.cfg.Forks == nil {
		return notKept()
	}
	c.target.Verb = verbCreate
	var asked history.ForkRequest
	if err := c.question(&asked); err != nil {
		return err
	}
	c.trace.name = printable(asked.Name, maxManager)
	seq, at, err := c.moment()
	if err != nil {
		return err
	}
	made, err := c.api.cfg.Forks.Make(c.r.Context(), asked, seq, at)
	if err != nil {
		return err
	}
	return c.sendJSON(made)
}

func (c *call) removeFork() error {
	if c.api.cfg.Forks == nil {
		return notKept()
	}
	name := c.r.URL.Query().Get("name")
	c.target.Verb, c.trace.name = verbDelete, printable(name, maxManager)
	if _, ok := c.api.cfg.Forks.Door(name); !ok {
		return noFork(name)
	}
	if err := c.api.cfg.Forks.Remove(name); err != nil {
		return fmt.Errorf("remove the fork %s: %w", name, err)
	}
	return c.success(http.StatusOK, nil)
}

// advanceFork lets time pass in a fork: to the audit it is a change of it.
func (c *call) advanceFork() error {
	if c.api.cfg.Forks == nil {
		return notKept()
	}
	var asked history.AdvanceRequest
	if err := c.question(&asked); err != nil {
		return err
	}
	c.target.Verb, c.target.Resource, c.trace.name = verbUpdate, "forks", printable(asked.Name, maxManager)
	by, err := time.ParseDuration(asked.By)
	switch {
	case err != nil || by > longestSpan:
		return badRequest("by %q: must be a duration such as 10m, at most %s at once", asked.By, longestSpan)
	case by < 0:
		return badRequest("by %q: time only goes forward; what was before is read with at, or in a fork of an earlier moment", asked.By)
	}
	if _, ok := c.api.cfg.Forks.Door(asked.Name); !ok {
		return noFork(asked.Name)
	}
	fork, err := c.api.cfg.Forks.Advance(c.r.Context(), asked.Name, by)
	if err != nil {
		return err
	}
	return c.sendJSON(fork)
}
