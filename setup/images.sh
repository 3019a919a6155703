#!/usr/bin/env bash
# setup/images.sh [DOCKER_HOST]: makes the images that tests and tours use, out of Debian packages and without a registry:
# busybox:latest and :1.36, nginx:1.7.9, :1.8, :1.9.1 and :latest. Images that are there already are left alone.
#
# All nginx tags hold Debian's one nginx: the tags exist to be rolled over, and each says its own on its page.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [ $# -gt 0 ]; then export DOCKER_HOST=$1; fi
docker version >/dev/null 2>&1 || { echo "images: no Docker engine answers at ${DOCKER_HOST:-the default socket}" >&2; exit 3; }

umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

absent() { ! docker image inspect "$1" >/dev/null 2>&1; }

make_busybox() {
	local root=$1
	[ -e "$root/bin/busybox" ] && return
	mkdir -p "$root"/{bin,dev,etc,proc,root,sys,tmp,usr,var}
	"$here/unpack.sh" busybox-static "$work/busybox"
	find "$work/busybox" -path '*/bin/busybox' -exec cp {} "$root/bin/busybox" \;
	local applet
	for applet in $("$root/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	ln -s ../bin "$root/usr/bin"
	chmod 1777 "$root/tmp"
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
}

# busybox is in it as well, so that there is a shell to exec.
make_nginx() {
	local root=$1 package
	[ -e "$root/usr/sbin/nginx" ] && return
	make_busybox "$root"
	for package in nginx nginx-light; do # which of the two holds the program depends on the release
		"$here/unpack.sh" $package "$work/nginx"
		[ ! -e "$work/nginx/usr/sbin/nginx" ] || break
	done
	mkdir -p "$root"/{usr/sbin,etc/nginx,run,usr/share/nginx/html,var/log/nginx,var/lib/nginx}
	cp "$work/nginx/usr/sbin/nginx" "$root/usr/sbin/"
	copy_libraries "$root/usr/sbin/nginx" "$root"
	echo 'nginx:x:101:101:nginx:/nonexistent:/bin/false' >>"$root/etc/passwd"
	echo 'nginx:x:101:' >>"$root/etc/group"
	ln -s /dev/stdout "$root/var/log/nginx/access.log"
	ln -s /dev/stderr "$root/var/log/nginx/error.log"
	cat >"$root/etc/nginx/nginx.conf" <<-'CONF'
		user nginx;
		worker_processes 1;
		pid /run/nginx.pid;
		error_log /var/log/nginx/error.log notice;
		events { worker_connections 1024; }
		http {
			types { text/html html; text/css css; application/javascript js; application/json json; text/plain txt; }
			default_type application/octet-stream;
			access_log /var/log/nginx/access.log;
			server {
				listen 80;
				root /usr/share/nginx/html;
			}
		}
	CONF
}

# The libraries come from their packages too, so that it does not matter which of them this machine has.
copy_libraries() {
	local program=$1 root=$2 from=$work/libraries package lib
	for package in $(apt-cache depends nginx nginx-light | awk '/Depends: lib(c6|crypt|pcre|ssl)|Depends: zlib/ { print $2 }' | sort -u); do
		"$here/unpack.sh" "$package" "$from"
	done
	local loader path paths
	# A program names its loader by a path that is only a link in the package, or, where /lib is a link itself, not there.
	loader=$(find "$from" -name 'ld-linux*.so.*' -type f)
	for path in "$from"/lib*/ld-linux*.so.* "$from"/usr/lib*/ld-linux*.so.*; do
		path=${path#"$from"}
		if [ -e "$from$path" ] || [ -L "$from$path" ]; then install -D "$loader" "$root${path#/usr}"; fi
	done
	paths=$(find "$from" -name 'lib*.so.*' -printf '%h\n' | sort -u | paste -sd:)
	for lib in $("$loader" --library-path "$paths" --list "$program" | grep -o "$from/[^ ]*"); do
		install -D "$lib" "$root${lib#"$from"}"
	done
}

import() {
	local root=$1 image=$2
	shift 2
	tar -C "$root" --numeric-owner --owner=0 --group=0 -c . | docker import "$@" - "$image" >/dev/null
	echo "images: made $image"
}

path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
for image in busybox:latest busybox:1.36; do
	absent $image || continue
	make_busybox "$work/busybox-root"
	import "$work/busybox-root" $image --change "$path" --change 'CMD ["sh"]'
done
for image in nginx:1.7.9 nginx:1.8 nginx:1.9.1 nginx:latest; do
	absent $image || continue
	make_nginx "$work/nginx-root"
	cat >"$work/nginx-root/usr/share/nginx/html/index.html" <<-HTML
		<!DOCTYPE html>
		<html><head><title>Welcome to nginx!</title></head>
		<body><h1>Welcome to nginx!</h1><p>$image</p></body></html>
	HTML
	import "$work/nginx-root" $image --change "$path" --change 'EXPOSE 80' --change 'CMD ["nginx", "-g", "daemon off;"]'
done
