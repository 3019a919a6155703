#!/usr/bin/env bash
# setup/kernel.sh DIR: unpacks Debian's kernel for clouds, with its modules, under DIR, without installing anything.
# Tests boot it in QEMU (tools/umlrun): it has both IPVS and nftables, which the machine's own may lack.
# Exit status 3 means: it cannot be had here, and the last line says why.
set -euo pipefail

[ $# = 1 ] || { echo "usage: ${0##*/} DIR" >&2; exit 2; }
set -- "$1" "$1"/boot/vmlinuz-*
if [ -e "$2" ] && [ -e "$1/complete" ]; then exit 0; fi
command -v apt-cache >/dev/null || { echo "kernel: it comes from Debian's packages, and there is no apt here" >&2; exit 3; }
# The package linux-image-cloud-amd64 only names the newest one.
newest() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p'; }
package=$(newest)
if [ -z "$package" ]; then
	# A fresh machine has no package lists.
	if [ "$(id -u)" = 0 ]; then apt-get -q update >/dev/null 2>&1 || true; fi
	package=$(newest)
fi
[ -n "$package" ] || { echo "kernel: there is no package linux-image-cloud-amd64 here, which Debian has" >&2; exit 3; }
rm -rf "$1" # what another run left half done
"$(dirname "$0")/unpack.sh" "$package" "$1"
touch "$1/complete"
echo "kernel: unpacked $package"
