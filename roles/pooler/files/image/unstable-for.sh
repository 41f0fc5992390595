#!/bin/sh
# unstable-for PACKAGE: lets apt take PACKAGE, and only it, from Debian unstable.
# The source is derived from the image's own, so whatever mirror it uses serves this one too.
set -eu
package=$1
if [ -s /etc/apt/sources.list.d/debian.sources ]; then
    sed -E 's/^Suites:.*/Suites: unstable/; s/^Types:.*/Types: deb/' /etc/apt/sources.list.d/debian.sources \
        | awk 'BEGIN { RS = ""; ORS = "\n\n" } !/security/ { print; exit }' >/etc/apt/sources.list.d/unstable.sources
else
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null \
        | awk '$1 == "deb" && !/security/ { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { $(i + 1) = "unstable"; break } print; exit }' \
        >/etc/apt/sources.list.d/unstable.list
fi
cat >/etc/apt/preferences.d/unstable <<EOF
Package: *
Pin: release a=unstable
Pin-Priority: -1

Package: $package
Pin: release a=unstable
Pin-Priority: 990
EOF
echo 'Acquire::Check-Valid-Until "false";' >/etc/apt/apt.conf.d/90unstable
apt-get update
