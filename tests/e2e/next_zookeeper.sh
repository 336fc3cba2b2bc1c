#!/bin/sh
# Offers a node a newer revision of the ZooKeeper that it has, from a package source of its own: Debian has only one.
# Prints the new version. Runs as root on the node.
set -eu
package=libzookeeper-java
version=$(dpkg-query --show --showformat '${Version}' $package)
source=/srv/next-zookeeper
mkdir -p $source
cd $source
apt-get -qq update
apt-get -qq download "$package=$version" 2>/dev/null
dpkg-deb --raw-extract $package*.deb tree
sed -i "s/^Version: .*/Version: $version+next1/" tree/DEBIAN/control
dpkg-deb --build --root-owner-group -Zgzip tree next.deb >/dev/null
rm -r tree $package*.deb
{
  dpkg-deb --field next.deb
  echo "Filename: ./next.deb"
  echo "Size: $(stat --format=%s next.deb)"
  echo "SHA256: $(sha256sum next.deb | cut -d' ' -f1)"
} > Packages
echo "deb [trusted=yes] file:$source ./" > /etc/apt/sources.list.d/next-zookeeper.list
echo "$version+next1"
