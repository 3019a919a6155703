package cluster

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"segno/bus"
	"segno/cli/api"
	"segno/cli/contexts"
	"segno/cli/pki"
	"segno/proto"
)

// Ports that are taken when nobody names one and they are free.
const (
	usualPort    = "6443"
	usualBusPort = "4222"
)

// adminUser is the person who started the cluster.
const adminUser = "admin"

// openDoors makes the data directory, takes the ports, makes the certificates,
// and prepares the bus.
func (c *Cluster) openDoors() error {
	if c.cfg.DataDir == "" {
		server, err := bus.NewServer(bus.ServerConfig{Name: c.cfg.Name, Memory: true, Log: c.log})
		c.server = server
		return err
	}
	if err := os.MkdirAll(c.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	var err error
	if c.unlock, err = LockData(c.cfg.DataDir); errors.Is(err, ErrInUse) {
		return fmt.Errorf("%w; see `segno status`, or take another with --data-dir", err)
	} else if err != nil {
		return err
	}
	if err := c.recallNodeLinks(); err != nil {
		return err
	}
	before := c.before()
	if c.https, err = listen(c.cfg.Listen, portOf(before.Server), usualPort); err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	if c.busPort, err = listen(c.busListen(), portOf(before.Bus.URL), usualBusPort); err != nil {
		return fmt.Errorf("find a port for the bus: %w", err)
	}
	if c.authority, err = pki.Open(filepath.Join(c.cfg.DataDir, "pki")); err != nil {
		return err
	}
	if c.admin, err = keptCredential(filepath.Join(c.cfg.DataDir, "pki", "admin.json"), proto.UserActor(adminUser)); err != nil {
		return err
	}
	certificate, err := c.authority.Server("server", c.hostNames())
	if err != nil {
		return err
	}
	c.server, err = bus.NewServer(bus.ServerConfig{
		Name: c.cfg.Name, StoreDir: filepath.Join(c.cfg.DataDir, "log"), Listen: c.busPort.Addr().String(),
		Elsewhere: anyPort(c.busListen()),
		TLS:       &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		Authority: c.authority.PEM(), Late: true, Log: c.log,
	})
	return err
}

func (c *Cluster) kubeconfig() string {
	if c.cfg.DataDir == "" {
		return ""
	}
	return filepath.Join(c.cfg.DataDir, kubeconfigFile)
}

// Entry is the cluster as kubeconfig files name it.
func (c *Cluster) Entry() (contexts.Entry, error) {
	pair, err := c.authority.Client(adminUser, api.GroupMasters)
	if err != nil {
		return contexts.Entry{}, err
	}
	info := c.Info()
	return contexts.Entry{
		Name: c.cfg.Name, DataDir: c.cfg.DataDir, Server: info.Server,
		CA: c.authority.PEM(), ClientCert: pair.Cert, ClientKey: pair.Key,
		Bus: contexts.Bus{URL: info.Bus, CA: c.authority.PEM(), User: adminUser, Seed: c.admin.Seed},
	}, nil
}

// before is where the cluster was found the last time it ran: clients that
// remember an address should find it there again.
func (c *Cluster) before() contexts.Entry {
	entry, err := contexts.Read(c.kubeconfig(), c.cfg.Name)
	if err != nil {
		return contexts.Entry{} // a first start, or a file that is written anew anyway
	}
	return entry
}

func (c *Cluster) busListen() string {
	if c.cfg.BusListen != "" || c.cfg.Listen == "" {
		return c.cfg.BusListen
	}
	host, _, err := net.SplitHostPort(c.cfg.Listen)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(host, "0")
}

// freeBusPort gives the port of the bus to the server, which listens itself.
// Another program may be quicker; the server then goes elsewhere, unless it was
// told where.
func (c *Cluster) freeBusPort() {
	if c.busPort != nil {
		_ = c.busPort.Close() // nobody was accepted
	}
}

// anyPort says that the address names no port.
func anyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return address == "" || err == nil && port == "0"
}

// listen takes the address that was asked for; without a port the first of the
// tried ones that is free, or any.
func listen(asked string, tries ...string) (net.Listener, error) {
	host, port := "127.0.0.1", "0"
	if asked != "" {
		var err error
		if host, port, err = net.SplitHostPort(asked); err != nil {
			return nil, fmt.Errorf("address %q: want host:port, such as 127.0.0.1:6443: %w", asked, err)
		}
	}
	if port != "0" {
		return net.Listen("tcp", net.JoinHostPort(host, port))
	}
	for _, try := range tries {
		if try == "" {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort(host, try)); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
}

// hostNames is everything by which this machine is found.
func (c *Cluster) hostNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1", c.cfg.Pods.NodeAddress().String()}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	for _, address := range []string{c.cfg.Listen, c.cfg.BusListen} {
		if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
			names = append(names, host)
		}
	}
	local, _ := net.InterfaceAddrs() // none is as good as an error
	for _, address := range local {
		if ip, ok := address.(*net.IPNet); ok && !ip.IP.IsLinkLocalUnicast() {
			names = append(names, ip.IP.String())
		}
	}
	return names
}
