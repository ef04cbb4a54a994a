# The first process of a corner of the machine for dockerd, in namespaces of its own: prepares them, and ends with dockerd.
# When it ends, the kernel ends everything that is left in them.
#
# $1: the folder with settings, which also takes the log. $2: where dockerd keeps images.
set -eu
cd "$1"

case "${3-groups}" in
groups)
    # /proc is still the machine's, and so is our number in it.
    read -r number _ </proc/self/stat
    while read -r group; do echo 0 >"$group/cgroup.procs"; done <groups
    # From here on those groups are all that is to be seen of the machine's.
    exec unshare --cgroup sh "$0" "$1" "$2" "$number"
    ;;
esac

# Nothing that is mounted here is seen outside.
mount --make-rprivate /
mount -t proc proc /proc
umount -R -l /sys
mount -t sysfs sysfs /sys
while read -r kind options place; do
    mkdir -p "$place"
    mount -t "$kind" -o "$options" "$kind" "$place"
done <mounts
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    # cgroup v2: a group that passes controllers on has no processes of its own.
    mkdir /sys/fs/cgroup/init
    echo 0 >/sys/fs/cgroup/init/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
    done
fi
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
echo "$3" >number.new
mv number.new number
# It also ends by a signal to it.
wait $!
