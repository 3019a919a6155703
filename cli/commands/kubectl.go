package commands

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubectl/pkg/cmd/annotate"
	"k8s.io/kubectl/pkg/cmd/apiresources"
	"k8s.io/kubectl/pkg/cmd/apply"
	"k8s.io/kubectl/pkg/cmd/attach"
	"k8s.io/kubectl/pkg/cmd/auth"
	"k8s.io/kubectl/pkg/cmd/config"
	"k8s.io/kubectl/pkg/cmd/cp"
	"k8s.io/kubectl/pkg/cmd/create"
	"k8s.io/kubectl/pkg/cmd/debug"
	"k8s.io/kubectl/pkg/cmd/describe"
	"k8s.io/kubectl/pkg/cmd/drain"
	"k8s.io/kubectl/pkg/cmd/edit"
	cmdexec "k8s.io/kubectl/pkg/cmd/exec"
	"k8s.io/kubectl/pkg/cmd/explain"
	"k8s.io/kubectl/pkg/cmd/expose"
	"k8s.io/kubectl/pkg/cmd/get"
	"k8s.io/kubectl/pkg/cmd/kustomize"
	"k8s.io/kubectl/pkg/cmd/label"
	"k8s.io/kubectl/pkg/cmd/options"
	"k8s.io/kubectl/pkg/cmd/patch"
	"k8s.io/kubectl/pkg/cmd/portforward"
	"k8s.io/kubectl/pkg/cmd/proxy"
	"k8s.io/kubectl/pkg/cmd/replace"
	"k8s.io/kubectl/pkg/cmd/run"
	"k8s.io/kubectl/pkg/cmd/scale"
	"k8s.io/kubectl/pkg/cmd/set"
	"k8s.io/kubectl/pkg/cmd/taint"
	"k8s.io/kubectl/pkg/cmd/top"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/cmd/wait"
	utilcomp "k8s.io/kubectl/pkg/util/completion"
	"k8s.io/kubectl/pkg/util/templates"
)

// program is what kubectl's commands call themselves in their texts.
const program = "segno"

// kubectlGroups are kubectl's commands, as they are, but for some: delete, which
// takes whole clusters too, diff, which compares moments too, rollout, whose
// history asks the log, cluster-info, autoscale and logs.
func kubectlGroups(c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) templates.CommandGroups {
	utilcomp.SetFactoryForCompletion(f)
	getCmd := get.NewCmdGet(program, f, streams)
	getCmd.ValidArgsFunction = utilcomp.ResourceTypeAndNameCompletionFunc(f)
	return templates.CommandGroups{
		{Message: "Objects:", Commands: []*cobra.Command{
			getCmd, describe.NewCmdDescribe(program, f, streams), explain.NewCmdExplain(program, f, streams),
			create.NewCmdCreate(f, streams), run.NewCmdRun(f, streams), expose.NewCmdExposeService(f, streams),
			set.NewCmdSet(f, streams), edit.NewCmdEdit(f, streams), newDelete(f, streams),
		}},
		{Message: "Manifests:", Commands: []*cobra.Command{
			apply.NewCmdApply(program, f, streams), newDiff(c, f, streams), patch.NewCmdPatch(f, streams),
			replace.NewCmdReplace(f, streams), wait.NewCmdWait(f, streams), kustomize.NewCmdKustomize(streams),
			label.NewCmdLabel(f, streams), annotate.NewCmdAnnotate(program, f, streams),
		}},
		{Message: "Deployments:", Commands: []*cobra.Command{
			newRollout(c, f, streams), scale.NewCmdScale(f, streams), newAutoscale(c, f, streams),
		}},
		{Message: "Containers:", Commands: []*cobra.Command{
			newLogs(f, streams), cmdexec.NewCmdExec(f, streams), attach.NewCmdAttach(f, streams),
			portforward.NewCmdPortForward(f, streams), cp.NewCmdCp(f, streams), debug.NewCmdDebug(f, streams),
		}},
		{Message: "Nodes and access:", Commands: []*cobra.Command{
			drain.NewCmdCordon(f, streams), drain.NewCmdUncordon(f, streams), drain.NewCmdDrain(f, streams),
			taint.NewCmdTaint(f, streams), top.NewCmdTop(f, streams), auth.NewCmdAuth(f, streams),
			newClusterInfo(c, streams), proxy.NewCmdProxy(f, streams),
		}},
	}
}

// addOthers adds what belongs to no group.
func addOthers(root *cobra.Command, c *client, f cmdutil.Factory, streams genericiooptions.IOStreams) {
	root.AddCommand(
		apiresources.NewCmdAPIResources(c, streams), apiresources.NewCmdAPIVersions(c, streams),
		config.NewCmdConfig(c, clientcmd.NewDefaultPathOptions(), streams),
		newCompletion(streams), newExamine(streams),
		options.NewCmdOptions(streams.Out), newVersion(c, streams),
	)
}
