#!/usr/bin/env bash
# setup/packages.sh PACKAGE…: installs those of the Debian packages that are missing, and lets none of them start a service,
# now or at the next boot. On a terminal it asks first; SEGNO_YES=1 skips the question.
# Exit status 3 means: they cannot be had here, and the last line says why.
set -euo pipefail

impossible() { echo "packages: $*" >&2; exit 3; }

command -v apt-get >/dev/null || impossible "there is no apt-get here to install $* with"
missing=()
for package in "$@"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || impossible "installing ${missing[*]} needs root"

if [ "${SEGNO_YES:-}" != 1 ] && [ -t 0 ] && [ -t 2 ]; then
	read -r -p "packages: install ${missing[*]}? [Y/n] " reply
	case $reply in '' | [Yy]*) ;; *) impossible "${missing[*]} were not installed, as you asked" ;; esac
fi

log=$(mktemp)
shim=
finish() { rm -f "$log" $shim; }
trap finish EXIT
if [ ! -e /usr/sbin/policy-rc.d ]; then
	shim=/usr/sbin/policy-rc.d
	printf '#!/bin/sh\nexit 101\n' >$shim
	chmod +x $shim
fi
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; }
# A fresh machine has no package lists, and an old list names versions that are gone.
if ! install; then
	apt-get update >>"$log" 2>&1 || true
	install || impossible "cannot install ${missing[*]}: $(grep '^E:' "$log" | tail -n 1)"
fi
for package in "${missing[@]}"; do
	for unit in $(dpkg -L "$package" | grep -oE '/systemd/system/[^/]+\.(service|socket)$' | xargs -r -n 1 basename); do
		systemctl disable "$unit" >/dev/null 2>&1 || true
	done
done
echo "packages: installed ${missing[*]}"
