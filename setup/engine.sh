#!/usr/bin/env bash
# Makes sure that a Docker engine answers.
#
#   setup/engine.sh                  the default engine: does nothing when one answers, else installs and starts one
#   setup/engine.sh NAME             a further engine, with its own socket, data and network namespace (a second node)
#   setup/engine.sh --stop [NAME]    stops an engine that this script started; its containers live on (live-restore)
#   setup/engine.sh --delete [NAME]  stops it and removes its containers, data and network namespace
#
# SEGNO_YES=1 skips the question on a terminal. ENGINE_NETNS names an existing network namespace for the engine to live in.
# Exit status 3 means: no engine can be had here, and the last line says why.
#
# An engine of ours lives in a network namespace of its own, because dockerd in the host's namespace sets FORWARD to DROP and
# sends bridged packets through iptables, which breaks the pod network. Pods get their network from segno, not from Docker.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
state=/var/lib/segno-engine
run=/run/segno-engine
logs=/var/log/segno-engine
default_socket=/run/docker.sock
containerd_socket=$run/containerd/containerd.sock

say() { echo "engine: $*"; }
fail() { echo "engine: $*" >&2; exit 1; }
impossible() { echo "engine: $*" >&2; exit 3; }

answers() { timeout 5 docker -H "$1" version --format '{{.Server.Version}}' 2>/dev/null; }

# running PIDFILE WORD: the recorded process lives and is the one that was recorded (a pid may have been given away since).
running() {
	local pid
	pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && grep -qaF -- "$2" "/proc/$pid/cmdline" 2>/dev/null
}

# An engine of ours answers even when its containerd is gone, but then it cannot start anything.
healthy() { ! running "$run/$name/dockerd.pid" "$run/$name/" || running "$run/containerd/containerd.pid" "$run/containerd"; }

# poll SECONDS COMMAND…: until the command succeeds.
poll() {
	local rounds=$(($1 * 20))
	shift
	for ((; rounds > 0; rounds--)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

ask() {
	[ "${SEGNO_YES:-}" = 1 ] && return 0
	[ -t 0 ] && [ -t 2 ] || return 0
	local reply
	read -r -p "engine: no Docker engine answers. $1 [Y/n] " reply
	case $reply in '' | [Yy]*) ;; *) impossible "no engine was started, as you asked" ;; esac
}

missing_packages() {
	command -v dockerd >/dev/null || echo docker.io
	command -v containerd >/dev/null || echo containerd
	command -v ip >/dev/null || echo iproute2
}

# One containerd serves all our engines; each keeps to its own containerd namespaces.
start_containerd() {
	local pidfile=$run/containerd/containerd.pid
	running "$pidfile" "$run/containerd" && return 0
	mkdir -p "$run/containerd" "$state/containerd"
	rm -f "$pidfile" "$containerd_socket" # left by a kill -9
	cat >"$run/containerd/config.toml" <<-TOML
		version = 2
		root = "$state/containerd"
		state = "$run/containerd/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "$containerd_socket"
	TOML
	# It outlives who starts it, and so would the name of a TMPDIR that may go.
	setsid env -u TMPDIR containerd --config "$run/containerd/config.toml" >>"$logs/containerd.log" 2>&1 </dev/null 9>&- &
	echo $! >"$pidfile"
	poll 20 test -S "$containerd_socket" || impossible "containerd did not start: $(tail -n 1 "$logs/containerd.log")"
}

start_engine() {
	local name=$1 socket=$2 netns=$3 dir=$run/$1
	if [ ! -e "/run/netns/$netns" ]; then
		[ -z "${ENGINE_NETNS:-}" ] || impossible "there is no network namespace $netns"
		ip netns add "$netns" || impossible "cannot make the network namespace $netns"
	fi
	ip -n "$netns" link set lo up
	if [ "$netns" = segno-engine ] && ! "$here/uplink.sh" "$netns" >>"$logs/$name.log" 2>&1; then
		say "note: this engine cannot pull images, only load them: $(tail -n 1 "$logs/$name.log")" >&2
	fi
	start_containerd
	mkdir -p "$dir" "$state/$name"
	# Left by a kill -9. dockerd refuses to start while its pid file names a living process, be it quite another one.
	rm -f "$dir/dockerd.pid"
	# nsenter and not "ip netns exec": that one mounts a new /sys, which hides the cgroups.
	setsid env -u TMPDIR nsenter "--net=/run/netns/$netns" dockerd \
		--host "unix://$socket" --data-root "$state/$name" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" \
		--containerd "$containerd_socket" --containerd-namespace "segno-$name" \
		--containerd-plugins-namespace "segno-$name-plugins" \
		--cgroup-parent "/segno-$name" --exec-opt native.cgroupdriver=cgroupfs \
		--storage-driver overlay2 --bridge none --iptables=false --ip6tables=false --live-restore \
		>>"$logs/$name.log" 2>&1 </dev/null 9>&- &
	local pid=$!
	if ! poll 20 answers_or_ended "$socket" $pid || ! answers "unix://$socket" >/dev/null; then
		impossible "dockerd did not start ($logs/$name.log): $(tail -n 1 "$logs/$name.log")"
	fi
}

answers_or_ended() { [ ! -e "/proc/$2" ] || answers "unix://$1"; }

stop_process() {
	local pidfile=$1 word=$2 pid
	running "$pidfile" "$word" || return 0
	pid=$(cat "$pidfile")
	kill "$pid" 2>/dev/null || true # it may have ended since
	poll 15 test ! -e "/proc/$pid" || kill -9 "$pid" 2>/dev/null || true
	rm -f "$pidfile"
}

stop_engine() { stop_process "$run/$1/dockerd.pid" "$run/$1/"; }

# end_containers NAME: ends what a dockerd that was dead or hung, and lived on with live-restore, has left running.
end_containers() {
	local procs file
	for procs in $(find /sys/fs/cgroup -type d -path "*/segno-$1/*" 2>/dev/null); do
		[ -r "$procs/cgroup.procs" ] || continue
		xargs --no-run-if-empty kill -9 <"$procs/cgroup.procs" 2>/dev/null || true
	done
	for file in $(grep -lzx -- "segno-$1" /proc/[0-9]*/cmdline 2>/dev/null || true); do
		case $(tr '\0' ' ' <"$file" 2>/dev/null) in
		*containerd-shim*" -namespace segno-$1 "*) kill -9 "$(basename "$(dirname "$file")")" 2>/dev/null || true ;;
		esac
	done
}

delete_engine() {
	local name=$1 socket=$2 netns=$3
	if answers "unix://$socket" >/dev/null; then
		docker -H "unix://$socket" ps --all --quiet | xargs --no-run-if-empty \
			docker -H "unix://$socket" rm --force --volumes >/dev/null
	fi
	stop_engine "$name"
	end_containers "$name"
	if [ "$netns" = segno-engine ]; then "$here/uplink.sh" --delete; fi
	[ -n "${ENGINE_NETNS:-}" ] || [ ! -e "/run/netns/$netns" ] || ip netns delete "$netns"
	# dockerd mounts its data folder on itself, and with live-restore leaves that behind.
	# The inner mounts come later in the list, and have to go first.
	awk -v a="$run/$name/" -v b="$state/$name" '$2 == b || index($2, a) == 1 || index($2, b "/") == 1 { print $2 }' \
		/proc/mounts | tac | xargs --no-run-if-empty umount --lazy
	rm -rf "${run:?}/$name" "${state:?}/$name"
	local others
	others=$(find "$run" -mindepth 1 -maxdepth 1 -type d ! -name containerd)
	[ -n "$others" ] || stop_process "$run/containerd/containerd.pid" "$run/containerd"
}

action=start
case ${1:-} in --stop | --delete) action=${1#--}; shift ;; esac
name=${1:-default}
[[ $name =~ ^[a-z0-9][a-z0-9-]{0,30}$ && $name != containerd && $# -le 1 ]] || fail "usage: ${0##*/} [--stop | --delete] [NAME]"

socket=$run/$name/docker.sock
netns=${ENGINE_NETNS:-segno-$name}
if [ "$name" = default ]; then
	socket=$default_socket
	netns=${ENGINE_NETNS:-segno-engine}
fi

if [ "$action" = start ]; then
	host=unix://$socket
	# The docker client's own default has /var in front; where that is a link, as anywhere now, the two are one.
	if [ "$name" = default ]; then host=${DOCKER_HOST:-unix:///var/run/docker.sock}; fi
	if version=$(answers "$host") && healthy; then
		say "Docker $version answers at $host"
		exit 0
	fi
	case $host in
	unix:///run/docker.sock | unix:///var/run/docker.sock | "unix://$socket") ;;
	*) impossible "nothing answers at DOCKER_HOST=$host; unset it to have an engine started here" ;;
	esac
fi
[ "$(id -u)" = 0 ] || impossible "no Docker engine answers for this user, and starting one needs root"
command -v flock >/dev/null || impossible "starting an engine needs flock (package util-linux)"

mkdir -p $run $state $logs
exec 9>$run/lock
flock 9 # two at a time would each start a containerd

case $action in
stop)
	stop_engine "$name"
	say "stopped $name"
	;;
delete)
	delete_engine "$name" "$socket" "$netns"
	say "deleted $name"
	;;
start)
	if version=$(answers "unix://$socket") && healthy; then # since we waited for the lock
		say "Docker $version answers at unix://$socket"
		exit 0
	fi
	if grep -q " $socket\$" /proc/net/unix; then # lists the sockets of this network namespace: none of ours
		impossible "another program listens at $socket, but does not answer as a Docker engine"
	fi
	mapfile -t packages < <(missing_packages)
	did=started
	question="Start one?"
	if [ ${#packages[@]} -gt 0 ]; then
		command -v apt-get >/dev/null || impossible "no Docker engine here (missing: ${packages[*]}), and no apt-get to install one"
		did="installed ${packages[*]} and started"
		question="Install ${packages[*]} and start one?"
	fi
	ask "$question"
	if [ ${#packages[@]} -gt 0 ]; then
		SEGNO_YES=1 "$here/packages.sh" "${packages[@]}" >/dev/null
		# Newer Debians have the client in a package of its own, which docker.io only recommends.
		command -v docker >/dev/null || SEGNO_YES=1 "$here/packages.sh" docker-cli >/dev/null
	fi
	stop_engine "$name" # one that runs, but does not answer or has lost its containerd; its containers live on
	start_engine "$name" "$socket" "$netns"
	say "$did Docker $(answers "unix://$socket") at unix://$socket in network namespace $netns"
	;;
esac
