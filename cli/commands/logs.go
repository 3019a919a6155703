package commands

import (
	"context"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubectl/pkg/cmd/logs"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/polymorphichelpers"
	"k8s.io/kubectl/pkg/util/podutils"
)

// newLogs is kubectl's logs; of the pods of a Deployment it takes one that stays,
// where kubectl takes the one that has been ready longest: right after a rollout
// that is one on its way out.
func newLogs(f cmdutil.Factory, streams genericiooptions.IOStreams) *cobra.Command {
	polymorphichelpers.LogsForObjectFn = logsOf
	return logs.NewCmdLogs(f, streams)
}

// kubectlLogs opens the logs of a pod, or of what has pods.
var kubectlLogs = polymorphichelpers.LogsForObjectFn

func logsOf(getter genericclioptions.RESTClientGetter, object, options runtime.Object, patience time.Duration, all bool) (map[corev1.ObjectReference]rest.ResponseWrapper, error) {
	namespace, selector, err := polymorphichelpers.SelectorsForObject(object)
	if err != nil {
		return kubectlLogs(getter, object, options, patience, all) // pods are named, or it says why not
	}
	config, err := getter.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pods, err := clients.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, err
	}
	pod := staying(pods.Items)
	if pod == nil {
		return kubectlLogs(getter, object, options, patience, all) // which waits for pods
	}
	if len(pods.Items) > 1 {
		fmt.Fprintf(os.Stderr, "Found %d pods, using pod/%s\n", len(pods.Items), pod.Name)
	}
	return kubectlLogs(getter, pod, options, patience, all)
}

// staying is the best of the pods that nobody has deleted; nil when there is none.
func staying(pods []corev1.Pod) *corev1.Pod {
	var left []*corev1.Pod
	for i := range pods {
		if pods[i].DeletionTimestamp == nil {
			left = append(left, &pods[i])
		}
	}
	if len(left) == 0 {
		return nil
	}
	sort.Stable(podutils.ByLogging(left))
	return left[0]
}
