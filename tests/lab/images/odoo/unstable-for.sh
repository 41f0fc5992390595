#!/bin/sh
# unstable-for PACKAGE: lets apt take PACKAGE, and only it, from Debian unstable.
# The source is derived from the image's own, so whatever mirror it uses serves this one too.
set -eu
package=$1
if [ -s /etc/apt/sources.list.d/debian.sources ]; then
    # Only of this source a list may be old: a mirror's copy of unstable is, now and then.
    sed -E 's/^Suites:.*/Suites: unstable\nCheck-Valid-Until: no/; s/^Types:.*/Types: deb/' /etc/apt/sources.list.d/debian.sources \
        | awk 'BEGIN { RS = ""; ORS = "\n\n" } !/security/ { print; exit }' >/etc/apt/sources.list.d/unstable.sources
else
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null \
        | awk '$1 == "deb" && !/security/ { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { $(i + 1) = "unstable"; break }
              if ($2 ~ /^\[/) sub(/^\[/, "[check-valid-until=no ", $2); else $1 = "deb [check-valid-until=no]"; print; exit }' \
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
apt-get update
