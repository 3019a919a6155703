package contexts

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"segno/cli/internal/replace"
)

// extension is the name under which a kubeconfig carries segno's own entries.
const extension = "segno"

// Bus is what a kubeconfig says about a cluster beyond Kubernetes: with it the
// command line goes over NATS instead of HTTPS.
type Bus struct {
	URL  string // tls://host:port
	CA   []byte // PEM of the authority that the server's certificate comes from
	User string
	// Seed is the nkey seed of the user. A kubeconfig does not have it, only where
	// it is kept: "" where it cannot be read, such as on another machine. HTTPS is
	// the way then.
	Seed string
}

type clusterExtension struct {
	Bus     string `json:"bus"`
	DataDir string `json:"dataDir,omitempty"`
}

type userExtension struct {
	User     string `json:"user"`
	SeedFile string `json:"seedFile,omitempty"`
	SeedHash string `json:"seedHash,omitempty"` // a file of that name on another machine is another's
}

// Entry is one cluster as a kubeconfig names it.
type Entry struct {
	Name       string // of context, cluster and user
	DataDir    string // of a cluster of this machine
	Server     string // https://host:port
	CA         []byte
	ClientCert []byte
	ClientKey  []byte
	Bus        Bus
	// Aside is an opened incident: it does not become the current context where there
	// is one. What was meant for the cluster must not go to it, nor the other way.
	Aside bool
}

func (e Entry) addTo(config *clientcmdapi.Config) error {
	cluster := clientcmdapi.NewCluster()
	cluster.Server, cluster.CertificateAuthorityData = e.Server, e.CA
	user := clientcmdapi.NewAuthInfo()
	user.ClientCertificateData, user.ClientKeyData = e.ClientCert, e.ClientKey
	extension := clusterExtension{Bus: e.Bus.URL, DataDir: e.DataDir}
	if err := setExtension(cluster.Extensions, extension); err != nil {
		return err
	}
	if err := setExtension(user.Extensions, e.owner()); err != nil {
		return err
	}
	context := clientcmdapi.NewContext()
	context.Cluster, context.AuthInfo = e.Name, e.Name
	if old := config.Contexts[e.Name]; old != nil {
		context.Namespace = old.Namespace
	}
	config.Clusters[e.Name], config.AuthInfos[e.Name], config.Contexts[e.Name] = cluster, user, context
	if !e.Aside || config.CurrentContext == "" {
		config.CurrentContext = e.Name
	}
	return nil
}

// owner says who the entry's user is on the bus, and where the seed is that
// proves it. Kubeconfigs are shown and copied: what is secret to the bus stays in
// the data directory of the cluster.
func (e Entry) owner() userExtension {
	if e.DataDir == "" || e.Bus.Seed == "" {
		return userExtension{User: e.Bus.User}
	}
	return userExtension{User: e.Bus.User, SeedFile: SeedFile(e.DataDir), SeedHash: seedHash(e.Bus.Seed)}
}

func setExtension(into map[string]runtime.Object, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode segno's part of the kubeconfig: %w", err)
	}
	into[extension] = &runtime.Unknown{Raw: raw, ContentType: runtime.ContentTypeJSON}
	return nil
}

func getExtension(from map[string]runtime.Object, value any) (bool, error) {
	unknown, ok := from[extension].(*runtime.Unknown)
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(unknown.Raw, value); err != nil {
		return false, fmt.Errorf("read segno's part of the kubeconfig: %w", err)
	}
	return true, nil
}

// BusOf answers the bus of a context ("" is the current one), or nil when
// the context is an ordinary Kubernetes one.
func BusOf(config clientcmdapi.Config, name string) (*Bus, error) {
	if name == "" {
		name = config.CurrentContext
	}
	context := config.Contexts[name]
	if context == nil {
		return nil, nil
	}
	cluster, user := config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo]
	if cluster == nil || user == nil {
		return nil, nil
	}
	var ce clusterExtension
	var ue userExtension
	hasBus, err := getExtension(cluster.Extensions, &ce)
	if err != nil {
		return nil, err
	}
	hasUser, err := getExtension(user.Extensions, &ue)
	if err != nil || !hasBus || !hasUser {
		return nil, err
	}
	return &Bus{URL: ce.Bus, CA: cluster.CertificateAuthorityData, User: ue.User, Seed: ue.seed()}, nil
}

// DataDirOf answers where the cluster of a context ("" is the current one) keeps
// its data; "" when it is not one of this machine.
func DataDirOf(config clientcmdapi.Config, name string) (string, error) {
	if name == "" {
		name = config.CurrentContext
	}
	context := config.Contexts[name]
	if context == nil || config.Clusters[context.Cluster] == nil {
		return "", nil
	}
	var extension clusterExtension
	_, err := getExtension(config.Clusters[context.Cluster].Extensions, &extension)
	return extension.DataDir, err
}

// Servers are the addresses of the contexts of a file, by name.
func Servers(file string) (map[string]string, error) {
	config, err := load(file)
	if err != nil {
		return nil, err
	}
	servers := map[string]string{}
	for name, context := range config.Contexts {
		if cluster := config.Clusters[context.Cluster]; cluster != nil {
			servers[name] = cluster.Server
		}
	}
	return servers, nil
}

// CurrentDataDir is that of the current context of segno's own file.
func CurrentDataDir() (string, error) {
	config, err := load(File())
	if err != nil {
		return "", err
	}
	return DataDirOf(*config, "")
}

// DataDirs are those of all clusters of this machine that segno's own file has.
func DataDirs() ([]string, error) {
	config, err := load(File())
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, name := range slices.Sorted(maps.Keys(config.Contexts)) {
		dir, err := DataDirOf(*config, name)
		if err != nil {
			return nil, err
		}
		if dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// Write makes file a kubeconfig of this entry alone.
func (e Entry) Write(file string) error {
	config := clientcmdapi.NewConfig()
	if err := e.addTo(config); err != nil {
		return err
	}
	return write(config, file)
}

// Read answers the named cluster as file has it.
func Read(file, name string) (Entry, error) {
	config, err := load(file)
	if err != nil {
		return Entry{}, err
	}
	cluster := config.Clusters[name]
	found, err := BusOf(*config, name)
	if err != nil {
		return Entry{}, err
	}
	if cluster == nil || found == nil {
		return Entry{}, fmt.Errorf("%s has no cluster %q", file, name)
	}
	return Entry{Name: name, Server: cluster.Server, CA: cluster.CertificateAuthorityData, Bus: *found}, nil
}

// Merge adds the entry to file, or replaces the one of its name, and makes it
// the current context.
func (e Entry) Merge(file string) error { return change(file, e.addTo) }

// Remove takes the named context, cluster and user out of file.
func Remove(file, name string) error {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return change(file, func(config *clientcmdapi.Config) error {
		if config.Contexts[name] == nil {
			return nil
		}
		delete(config.Contexts, name)
		delete(config.Clusters, name)
		delete(config.AuthInfos, name)
		if config.CurrentContext == name {
			config.CurrentContext = ""
		}
		return nil
	})
}

// change reads a file, has it changed and writes it again; no other segno and
// no `kubectl config` does so meanwhile.
func change(file string, how func(*clientcmdapi.Config) error) (err error) {
	unlock, err := lock(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	config, err := load(file)
	if err != nil {
		return err
	}
	if err := how(config); err != nil {
		return err
	}
	return write(config, file)
}

func load(file string) (*clientcmdapi.Config, error) {
	config, err := clientcmd.LoadFromFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return clientcmdapi.NewConfig(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the contexts in %s: %w", file, err)
	}
	return config, nil
}

// write replaces the file in one step: a reader never sees half of it.
func write(config *clientcmdapi.Config, file string) error {
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode %s: %w", file, err)
	}
	return replace.File(file, data)
}
