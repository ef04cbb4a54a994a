# How a first process in namespaces of its own begins: it enters its control groups, and mounts what tells of it and of nobody else.
#
# $1: a folder with `groups` and `mounts`. The number that this machine knows it by is left in `number.new`; who is ready for
# others moves that to `number`.
set -eu
cd "$1"

if [ ! -e number.new ]; then
    # /proc is still the machine's, and so is our number in it.
    read -r number _ </proc/self/stat
    echo "$number" >number.new
    while read -r group; do echo 0 >"$group/cgroup.procs"; done <groups
    # From here on those groups are all that is to be seen of the machine's.
    exec unshare --cgroup sh "$0" "$@"
fi

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
