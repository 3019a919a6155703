package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"segno/agents/network"
	"segno/agents/services"
	"segno/cli/internal/replace"
)

// linksFile, in a node's folder, keeps what was asked for of its network: the next
// start of the node is to be the same.
const linksFile = "links.json"

// nodeLinks is that. What is not asked for is the default.
type nodeLinks struct {
	Address netip.Addr      `json:"nodeIP,omitzero"`
	Backend network.Backend `json:"backend,omitempty"`
	Port    int             `json:"vxlanPort,omitempty"`
	Mode    services.Mode   `json:"proxyMode,omitempty"`
}

// recallLinks takes from before what is not asked for now, keeps what is, and
// answers the flags that count although nobody gave them again.
func recallLinks(dir string, pods *PodLinks, mode *services.Mode) (kept string, err error) {
	before, err := keptLinks(dir)
	if err != nil {
		return "", err
	}
	var flags []string
	take := func(flag, text string) { flags = append(flags, flag+" "+text) }
	if !pods.Address.IsValid() && before.Address.IsValid() {
		pods.Address = before.Address
		take("--node-ip", before.Address.String())
	}
	if pods.Backend == "" && before.Backend != "" {
		pods.Backend = before.Backend
		take("--backend", string(before.Backend))
	}
	if pods.Port == 0 && before.Port != 0 {
		pods.Port = before.Port
		take("--vxlan-port", fmt.Sprint(before.Port))
	}
	if *mode == "" && before.Mode != "" {
		*mode = before.Mode
		take("--proxy-mode", string(before.Mode))
	}
	if now := (nodeLinks{pods.Address, pods.Backend, pods.Port, *mode}); now != before {
		data, err := json.Marshal(now)
		if err == nil {
			err = replace.File(filepath.Join(dir, linksFile), data)
		}
		if err != nil {
			return "", fmt.Errorf("remember the node's network: %w", err)
		}
	}
	return strings.Join(flags, " "), nil
}

func (c *Cluster) recallNodeLinks() (err error) {
	c.links, err = recallLinks(nodeDir(c.cfg.DataDir), &c.cfg.Pods, &c.cfg.Services.Mode)
	return err
}

func keptLinks(dir string) (nodeLinks, error) {
	kept, file := nodeLinks{}, filepath.Join(dir, linksFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err == nil {
		_, err = network.ParseBackend(string(kept.Backend))
	}
	if err == nil {
		_, err = services.ParseMode(string(kept.Mode))
	}
	if err != nil {
		return kept, fmt.Errorf("read the node's network of before (%s; without the file the flags count alone): %w", file, err)
	}
	return kept, nil
}
