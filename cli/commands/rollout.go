package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/rollout"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/polymorphichelpers"

	"segno/cli/api/history"
	"segno/proto"
)

// newRollout is kubectl's rollout, whose history asks the log for the cause of
// a revision where nobody wrote one.
func newRollout(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := rollout.NewCmdRollout(program, f, streams)
	for _, sub := range cmd.Commands() {
		if sub.Name() == "history" {
			cmd.RemoveCommand(sub)
		}
	}
	cmd.AddCommand(newRolloutHistory(c, f, streams))
	return cmd
}

func newRolloutHistory(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := rollout.NewCmdRolloutHistory(f, streams)
	o := rollout.NewRolloutHistoryOptions(streams)
	cmd.ResetFlags()
	cmd.Flags().Int64Var(&o.Revision, "revision", 0, "See the details, including podTemplate of the revision specified")
	cmdutil.AddLabelSelectorFlagVar(cmd, &o.LabelSelector)
	cmdutil.AddFilenameOptionFlags(cmd, &o.FilenameOptions, "identifying the resource to get from a server.")
	o.PrintFlags.AddFlags(cmd)
	cmd.Long += "\n\nWhere nobody wrote the annotation " + polymorphichelpers.ChangeCauseAnnotation +
		", CHANGE-CAUSE is what the log knows:\nwho changed the template, and with which command."
	cmd.Run = func(cmd *cobra.Command, args []string) {
		cmdutil.CheckErr(o.Complete(f, cmd, args))
		cmdutil.CheckErr(o.Validate())
		standard := o.HistoryViewer
		o.HistoryViewer = func(getter genericclioptions.RESTClientGetter, mapping *meta.RESTMapping) (polymorphichelpers.HistoryViewer, error) {
			viewer, err := standard(getter, mapping)
			if err != nil || mapping.GroupVersionKind.GroupKind() != appsv1.SchemeGroupVersion.WithKind("Deployment").GroupKind() {
				return viewer, err
			}
			return causeViewer{HistoryViewer: viewer, causes: func(namespace, name string, of []int64) (map[int64]string, error) {
				return c.causes(cmd.Context(), proto.Resource{Group: appsv1.GroupName, Name: "deployments"}.Key(namespace, name), of)
			}}, nil
		}
		cmdutil.CheckErr(o.Run())
	}
	return cmd
}

// causeViewer fills in the causes that nobody wrote. Objects stay as they are:
// only the table of revisions differs from kubectl's.
type causeViewer struct {
	polymorphichelpers.HistoryViewer
	causes func(namespace, name string, of []int64) (map[int64]string, error)
}

// ViewHistory is the table of revisions, or one of them.
func (v causeViewer) ViewHistory(namespace, name string, revision int64) (string, error) {
	if revision > 0 {
		return v.HistoryViewer.ViewHistory(namespace, name, revision)
	}
	sets, err := v.GetHistory(namespace, name)
	if err != nil || len(sets) == 0 {
		return "No rollout history found.", err
	}
	written := writtenCauses(sets)
	known := map[int64]string{}
	if len(written) < len(sets) {
		if known, err = v.causes(namespace, name, slices.Collect(maps.Keys(sets))); err != nil {
			return "", err
		}
	}
	maps.Copy(known, written)
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "REVISION\tCHANGE-CAUSE")
	for _, r := range slices.Sorted(maps.Keys(sets)) {
		cause := known[r]
		if cause == "" {
			cause = "<none>"
		}
		fmt.Fprintf(table, "%d\t%s\n", r, cause)
	}
	err = table.Flush()
	return out.String(), err
}

func writtenCauses(sets map[int64]runtime.Object) map[int64]string {
	out := map[int64]string{}
	for revision, set := range sets {
		if accessor, err := meta.Accessor(set); err == nil {
			if cause := accessor.GetAnnotations()[polymorphichelpers.ChangeCauseAnnotation]; cause != "" {
				out[revision] = cause
			}
		}
	}
	return out
}

// causes asks the log who led to some revisions of a Deployment, and how; it
// looks back no further than they go.
func (c *client) causes(ctx context.Context, key proto.ObjectKey, of []int64) (map[int64]string, error) {
	var found map[int64]string
	_, err := c.revisions(ctx, key, nil, 0, func(revisions []history.Revision) bool {
		found = causesOf(revisions)
		return !slices.ContainsFunc(of, func(revision int64) bool { return found[revision] == "" })
	})
	if err != nil {
		return nil, fmt.Errorf("ask the log for the causes of the revisions: %w", err)
	}
	return found, nil
}
