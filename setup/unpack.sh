#!/usr/bin/env bash
# setup/unpack.sh PACKAGE DIR: downloads a Debian package and unpacks its files under DIR, without installing anything.
# For programs that tests need at a place of their own, and for packages that clash with what a machine already has.
set -euo pipefail

[ $# = 2 ] || { echo "usage: ${0##*/} PACKAGE DIR" >&2; exit 2; }
package=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
for tool in apt-get dpkg; do
	command -v $tool >/dev/null || { echo "unpack: $package comes from Debian's packages, and there is no $tool here" >&2; exit 3; }
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
download() { apt-get -o APT::Sandbox::User=root -q download "$package" >log 2>&1; }
if ! download; then
	# A fresh machine has no package lists, and an old list names versions that are gone.
	if [ "$(id -u)" = 0 ]; then apt-get -q update >>log 2>&1 || true; fi
	download || { echo "unpack: cannot download $package: $(grep '^E:' log | tail -n 1)" >&2; exit 1; }
fi
dpkg -x ./*.deb "$dir"
