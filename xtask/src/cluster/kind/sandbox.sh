# The first process of a corner of the machine for dockerd, once it is in namespaces and groups of its own: it ends with dockerd.
# When it ends, the kernel ends everything that is left in them.
#
# $1: the folder with settings, which also takes the log. $2: where dockerd keeps images.

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/docker-data
mount --bind "$2" /run/docker-data
# Docker writes a key, containerd makes a folder for plugins, and kind asks for the modules of the kernel, if there are none for
# a folder: what they write is in memory, and gone with this place.
for place in /etc /opt /usr/lib /var/lib; do
    own=/run/own$place
    mkdir -p "$own/new" "$own/work"
    mount -t overlay -o "lowerdir=$place,upperdir=$own/new,workdir=$own/work" overlay "$place"
done
hostname mintage-kind
ip link set lo up

trap 'exit 1' TERM
dockerd --config-file "$1/dockerd.json" >dockerd.log 2>&1 </dev/null &
echo $! >/run/dockerd.number
mv number.new number
# It also ends by a signal to it.
wait $!
