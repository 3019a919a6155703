package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
	"segno/proto"
)

const (
	// itemPatience is how often an item may fail in reports whose other items
	// pass: then it is the item, not the moment.
	itemPatience = 5
	// longestAnswer bounds what a node is told about one item.
	longestAnswer = 1024
)

// subject is what an item of a report is about.
type subject struct {
	key proto.ObjectKey
	uid string
}

// judge answers a report of whose items these failed. What fails for reasons of
// the moment has the node send everything again, which is harmless for the rest.
func (in *Intake) judge(node proto.NodeName, items []proto.ReportItem, failures []error) proto.Reply {
	reply := proto.Reply{Errors: make([]string, len(items))}
	others := slices.ContainsFunc(failures, func(err error) bool { return !passing(err) })
	known, _ := in.failing.Load(node)
	before, _ := known.(map[subject]int)
	failing := map[subject]int{}
	for i, err := range failures {
		if err == nil {
			continue
		}
		of := subject{items[i].Key, items[i].UID}
		if passing(err) {
			failing[of] = before[of]
			if others && itsOwn(err) {
				failing[of]++
			}
			if failing[of] < itemPatience {
				reply.Retry = brief(err)
				continue
			}
		}
		if itsOwn(err) {
			in.log.Error("a status is refused for good, because of a mistake here", "node", node, "object", of.key, "error", err)
		}
		reply.Errors[i] = brief(err)
	}
	if reply.Retry != "" {
		in.failing.Store(node, failing)
		return proto.Reply{Retry: reply.Retry}
	}
	in.failing.Delete(node)
	return reply
}

// passing reports whether an error is of the moment: the same request may
// succeed later.
func passing(err error) bool {
	if err == nil || errors.Is(err, events.ErrPanic) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	return apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err)
}

// itsOwn reports whether an error tells of a mistake, and not that the control
// plane has no time, or ends.
func itsOwn(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var status apierrors.APIStatus
	return !errors.As(err, &status) || apierrors.IsInternalError(err)
}

// brief is an error's text for a node.
func brief(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), longestAnswer)], "")
}

// recovered turns a panic into *err: what one node says must not end the others.
func recovered(err *error) {
	if mistake := recover(); mistake != nil {
		*err = fmt.Errorf("%w: %v\n%s", events.ErrPanic, mistake, debug.Stack())
	}
}
