package cluster

import (
	"fmt"
	"net"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Check says what of a configuration cannot be meant. Nothing is made or opened
// for it.
func (c Config) Check() error {
	_, err := c.complete()
	return err
}

// checkNames checks what has a form of its own.
func (c Config) checkNames() error {
	for _, address := range []string{c.Listen, c.BusListen} {
		if err := checkAddress(address); err != nil {
			return err
		}
	}
	if wrong := validation.IsDNS1123Subdomain(string(c.NodeName)); c.NodeName != "" && len(wrong) > 0 {
		return fmt.Errorf("node name %q: %s", c.NodeName, wrong[0])
	}
	return nil
}

func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address %q: want host:port, such as 127.0.0.1:6443: %w", address, err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("address %q: the port must be a number from 0 to 65535", address)
	}
	return nil
}
