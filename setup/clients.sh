#!/usr/bin/env bash
# setup/clients.sh DIR: puts the foreign programs that tests and benchmarks compare with into DIR, and leaves alone what is there:
#   kubectl-1.20   Debian's, of package kubernetes-client
#   kubectl-1.37   built from the k8s.io/kubectl of our own go.mod
#   etcd           Debian's, of package etcd-server
set -euo pipefail

[ $# = 1 ] || { echo "usage: ${0##*/} DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# from_debian NAME PACKAGE PROGRAM. Unpacked, not installed: another package may own the program's path.
from_debian() {
	[ ! -x "$dir/$1" ] || return 0
	"$here/unpack.sh" "$2" "$work/$2"
	install "$work/$2/usr/bin/$3" "$dir/$1"
	echo "clients: $1 is from package $2"
}

from_debian kubectl-1.20 kubernetes-client kubectl
from_debian etcd etcd-server etcd

if [ ! -x "$dir/kubectl-1.37" ]; then
	cd "$here/.."
	# k8s.io/kubectl v0.37.2 is the library of kubectl 1.37.2.
	version=$(go list -m -f '{{.Version}}' k8s.io/kubectl)
	CGO_ENABLED=0 go build -trimpath -o "$dir/kubectl-1.37" \
		-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1${version#v0}" ./cli/internal/kubectl
	echo "clients: kubectl-1.37 is built from k8s.io/kubectl $version"
fi
