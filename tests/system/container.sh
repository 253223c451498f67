# Does what deploy/Containerfile says, on this machine instead of in an image: in a mount namespace of its own, where
# the folders that it writes to are new, and all is read-only when the program runs. Called by test_container.py.
#
# $1 this checkout · $2 a Python, under bin of where it is installed · $3 a folder with admit.toml, ready.py, and what the
# file says as scripts: build.sh, last.sh, run.sh
set -eu
root=$1 python=${2%/bin/*} named=${2##*/} pieces=$3

mount --make-rprivate /
for one in /opt /mnt; do mount -t tmpfs none "$one"; done
mkdir /mnt/bin /mnt/src /mnt/etc /opt/admit
cp -a /etc/. /mnt/etc
mount --bind /mnt/etc /etc
mkdir -p /etc/admit
cp "$pieces/admit.toml" /etc/admit/
mkdir /mnt/python   # where nobody in particular may read it too
mount --bind "$python" /mnt/python
ln -s "/mnt/python/bin/$named" /mnt/bin/python
mount -t tmpfs none /var/lib

# FROM … AS build
cd /mnt/src
PATH=/mnt/bin:$PATH CONTEXT=$root sh -eu "$pieces/build.sh"

# FROM …
cd /
rm -rf /mnt/src
sh -eu "$pieces/last.sh"
mkdir /mnt/data
cp -a /var/lib/admit /mnt/data/
mount -t tmpfs none /var/lib/admit   # VOLUME
chown --reference=/mnt/data/admit /var/lib/admit
chmod --reference=/mnt/data/admit /var/lib/admit

# --read-only --tmpfs /tmp
mkdir /mnt/pieces
cp "$pieces"/*.sh "$pieces/ready.py" /mnt/pieces
for one in /etc /opt /var/lib /mnt /; do mount -o remount,bind,ro "$one"; done
mount -t tmpfs none /tmp
exec unshare --net sh -eu /mnt/pieces/run.sh
