package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// bridgedSwitches are there once the kernel can pass bridged packets by rules for
// IP.
const bridgedSwitches = "/proc/sys/net/bridge"

// CanFilterBridged says what keeps packets between pods of one bridge from the
// rules for IP; nil is nothing.
func CanFilterBridged() error {
	if _, err := os.Stat(bridgedSwitches); errors.Is(err, fs.ErrNotExist) {
		return errors.New("the kernel does not show packets of a bridge to rules for IP: modprobe br_netfilter, or take a kernel with CONFIG_BRIDGE_NETFILTER")
	} else if err != nil {
		return fmt.Errorf("look whether the kernel shows packets of a bridge to rules for IP: %w", err)
	}
	return nil
}

// FilterBridged lets packets between pods of this bridge pass the rules for IP,
// which otherwise see only what is routed. It is a switch of this bridge alone.
func (b *Bridge) FilterBridged(on bool) error {
	if err := CanFilterBridged(); err != nil && on {
		return err
	}
	link, err := netlink.LinkByName(b.cfg.Name)
	if err != nil {
		return fmt.Errorf("look for bridge %s: %w", b.cfg.Name, err)
	}
	var value byte
	if on {
		value = 1
	}
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(link.Attrs().Index)
	request.AddData(message)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_BR_NF_CALL_IPTABLES, nl.Uint8Attr(value))
	data.AddRtAttr(nl.IFLA_BR_NF_CALL_IP6TABLES, nl.Uint8Attr(value))
	request.AddData(info)
	if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("let packets of bridge %s pass the rules for IP: %w", b.cfg.Name, err)
	}
	return nil
}
