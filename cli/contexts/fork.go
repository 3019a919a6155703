package contexts

import (
	"fmt"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Fork is the context of a fork: its own credential, for its own API.
type Fork struct {
	Name       string // of the fork
	Server     string // of the cluster that it is a fork of
	CA         []byte
	ClientCert []byte
	ClientKey  []byte
}

// ForkContext names the context of a fork.
func ForkContext(fork string) string { return "fork-" + fork }

// forkPath ends the server of a fork's context.
func forkPath(fork string) string { return "/fork/" + fork }

// Add writes the context into file; the current one stays as it is.
func (f Fork) Add(file string) error {
	name := ForkContext(f.Name)
	return change(file, func(config *clientcmdapi.Config) error {
		if !ofFork(config, f.Name) {
			return fmt.Errorf("%s has a context %q already, which is of no fork; take another name for the fork, or remove that: segno config delete-context %s", file, name, name)
		}
		cluster := clientcmdapi.NewCluster()
		cluster.Server, cluster.CertificateAuthorityData = strings.TrimSuffix(f.Server, "/")+forkPath(f.Name), f.CA
		user := clientcmdapi.NewAuthInfo()
		user.ClientCertificateData, user.ClientKeyData = f.ClientCert, f.ClientKey
		context := clientcmdapi.NewContext()
		context.Cluster, context.AuthInfo = name, name
		config.Clusters[name], config.AuthInfos[name], config.Contexts[name] = cluster, user, context
		return nil
	})
}

// RemoveFork takes the context, cluster and user of a fork out of file, and tells
// whether they were there.
func RemoveFork(file, fork string) (removed bool, err error) {
	config, err := clientcmd.LoadFromFile(file)
	if err != nil || config.Contexts[ForkContext(fork)] == nil || !ofFork(config, fork) {
		return false, nil // no file, or nothing of ours in it
	}
	return true, Remove(file, ForkContext(fork))
}

// ofFork tells whether the context of a fork's name is that of a fork, or none.
func ofFork(config *clientcmdapi.Config, fork string) bool {
	context := config.Contexts[ForkContext(fork)]
	if context == nil {
		return true
	}
	cluster := config.Clusters[context.Cluster]
	return cluster != nil && strings.HasSuffix(cluster.Server, forkPath(fork))
}
