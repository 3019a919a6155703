#!/usr/bin/env bash
# setup/uplink.sh NETNS | --delete: connects the network namespace of the default engine with the world, by way of the host, so that
# it can pull images. (Pods have a network of their own, which this has nothing to do with.) Done already: nothing to do.
set -Eeuo pipefail

link=segno-engine
host=169.254.77.1
engine=169.254.77.2
resolved=/run/systemd/resolve/resolv.conf

# rules ADD|DELETE: what the host needs to let the engine out and the answers in, and nobody else to it.
rules() {
	local rule
	while read -r rule; do
		# shellcheck disable=SC2086 # a rule is words
		case $1 in
		add) iptables -w ${rule/ -A / -C } 2>/dev/null || iptables -w ${rule/ -A / -I } ;;
		delete) iptables -w ${rule/ -A / -D } 2>/dev/null || true ;;
		esac
	done <<-RULES
		-t nat -A POSTROUTING -s $engine ! -o $link -j MASQUERADE
		-t filter -A FORWARD -i $link -j ACCEPT
		-t filter -A FORWARD -o $link -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	RULES
}

# A resolver on the host's loopback is out of reach from another namespace: ask the servers that it asks.
redirect_names() {
	local local_server real_server
	[ -r /etc/resolv.conf ] || return 0
	local_server=$(awk '$1 == "nameserver" && $2 ~ /^127\./ { print $2; exit }' /etc/resolv.conf)
	[ -n "$local_server" ] || return 0
	real_server=
	if [ -r "$resolved" ]; then
		real_server=$(awk '$1 == "nameserver" && $2 !~ /:/ && $2 !~ /^127\./ { print $2; exit }' "$resolved")
	fi
	if [ -z "$real_server" ]; then
		echo "uplink: the resolver $local_server is this machine's own, and which servers it asks is not known: the engine resolves no names" >&2
		return 0
	fi
	nsenter "--net=/run/netns/$1" sh -euc "
		echo 1 >/proc/sys/net/ipv4/conf/uplink/route_localnet
		for protocol in udp tcp; do
			iptables -w -t nat -A OUTPUT -d $local_server -p \$protocol --dport 53 -j DNAT --to-destination $real_server
		done
		iptables -w -t nat -A POSTROUTING -o uplink -j MASQUERADE"
}

[ $# = 1 ] || { echo "usage: ${0##*/} NETNS | --delete" >&2; exit 2; }
if [ "$1" = --delete ]; then
	rules delete
	ip link delete $link 2>/dev/null || true
	exit 0
fi
netns=$1
if ip -n "$netns" link show uplink >/dev/null 2>&1; then
	rules add # a firewall that was loaded anew since has dropped them
	exit 0
fi
here=$(cd "$(dirname "$0")" && pwd)
trap '"$here/uplink.sh" --delete' ERR # half a connection would pass for a whole one the next time
ip link add $link type veth peer name uplink netns "$netns"
ip address add $host/30 dev $link
ip link set dev $link up
ip -n "$netns" address add $engine/30 dev uplink
ip -n "$netns" link set dev uplink up
ip -n "$netns" route add default via $host
echo 1 >/proc/sys/net/ipv4/ip_forward
rules add
redirect_names "$netns"
