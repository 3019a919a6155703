#!/usr/bin/env bash
# setup/packages.sh PACKAGE…: installs those of the Debian packages that are missing, and lets none of them start a service,
# now or at the next boot. On a terminal it asks first; SEGNO_YES=1 skips the question.
# Where there are other packages than Debian's or Ubuntu's, nothing is installed: what the packages are needed for has to be there.
# Exit status 3 means: they cannot be had here, and the last line says why.
set -euo pipefail

impossible() { echo "packages: $*" >&2; exit 3; }

# there PACKAGE: what it is needed for is there, whoever installed it.
there() {
	case $1 in
	util-linux) command -v flock nsenter setsid ;;
	iproute2) command -v ip ;;
	procps) command -v ps ;;
	docker.io) command -v dockerd ;;
	docker-cli) command -v docker ;;
	ca-certificates) [ -e /etc/ssl/certs ] ;;
	qemu-system-x86) command -v qemu-system-x86_64 ;;
	user-mode-linux) command -v linux.uml ;;
	libc6-dev) [ -e /usr/include/stdio.h ] ;;
	*) command -v "$1" ;;
	esac >/dev/null
}

installed() {
	if command -v dpkg-query >/dev/null; then
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
	else
		there "$1"
	fi
}

missing=()
for package in "$@"; do
	installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || impossible "this needs ${missing[*]}, or what your system calls them, and there is no apt-get here to install them with"
[ "$(id -u)" = 0 ] || impossible "installing ${missing[*]} needs root"

if [ "${SEGNO_YES:-}" != 1 ] && [ -t 0 ] && [ -t 2 ]; then
	read -r -p "packages: install ${missing[*]}? [Y/n] " reply
	case $reply in '' | [Yy]*) ;; *) impossible "${missing[*]} were not installed, as you asked" ;; esac
fi

log=$(mktemp)
shim=
policy=/usr/sbin/policy-rc.d
mark='# made by segno while it installs packages'
finish() { rm -f "$log" $shim; }
trap finish EXIT
if command -v flock >/dev/null; then
	exec 8>/run/segno-packages.lock
	flock 8 # or the first to end would take the shim from the others
fi
# One with our mark was left behind by a kill -9.
if [ ! -e $policy ] || [ "$(sed -n 2p $policy)" = "$mark" ]; then
	shim=$policy
	printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >$shim
	chmod +x $shim
fi
install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=60 \
		"${missing[@]}" >>"$log" 2>&1 </dev/null
}
# A fresh machine has no package lists, and an old list names versions that are gone.
if ! install; then
	apt-get update -o DPkg::Lock::Timeout=60 >>"$log" 2>&1 || true
	install || impossible "cannot install ${missing[*]}: $(grep '^E:' "$log" | tail -n 1)"
fi
for package in "${missing[@]}"; do
	for unit in $(dpkg -L "$package" | grep -oE '/systemd/system/[^/]+\.(service|socket)$' | xargs -r -n 1 basename); do
		systemctl disable "$unit" >/dev/null 2>&1 || true
	done
done
echo "packages: installed ${missing[*]}"
