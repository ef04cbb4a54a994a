# The first process of a node, once it is in namespaces and groups of its own: starts containerd, the kubelet and, where there
# are Services, kube-proxy, and ends with whichever of them ends first. When it ends, the kernel ends everything that is left in
# the node.
#
# $1: the folder with settings and images, which also takes the logs. $2: the node's name. $3: its address.

# Whatever the node keeps is in memory, and gone with it.
for place in /run /var/log; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
mkdir -p /run/node/lib /run/node/work
# What the kubelet and the network's plugins write there, wherever they are told to.
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/node/lib,workdir=/run/node/work overlay /var/lib
echo "$2" >/proc/sys/kernel/hostname
# The kubelet sets these for the whole machine: it gets files of its own.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    own=/run/sysctl/${setting%=*}
    mkdir -p "${own%/*}"
    echo "${setting#*=}" >"$own"
    mount --bind "$own" "/proc/sys/${setting%=*}"
done
# Volumes that are mounted for a pod are to be seen in it.
mount --make-rshared /
ip link set lo up
# A node needs an address that is not the loopback's; which interface has it is all the same.
ip address add "$3/32" dev lo
if [ -e services ]; then
    # An address of a Service is nowhere: kube-proxy turns it into a pod's on the way out, wherever that seems to lead.
    while read -r services; do ip route add "$services" dev lo src "$3"; done <services
    # What pods answer each other passes the bridge, and has to be turned back there.
    echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
fi

run() {
    name=$1
    shift
    {
        "$@" >"$name.log" 2>&1 </dev/null || :
        echo "$name ended"
        kill -s TERM 1
    } &
}
trap 'exit 1' TERM
mv number.new number

run containerd containerd --config "$1/containerd.toml"
until ctr version >/dev/null 2>&1; do sleep 0.05; done
for image in images/*.tar; do ctr --namespace k8s.io images import "$image" >/dev/null; done
# The way to the API server is opened from outside.
until [ -e door ]; do sleep 0.05; done
run kubelet kubelet --config "$1/kubelet.json" --kubeconfig "$1/kubeconfig" --hostname-override "$2" \
    --node-ip "$3" --root-dir /run/node/kubelet --cert-dir /run/node/kubelet/pki --v 2
if [ -e services ]; then run kube-proxy kube-proxy --config "$1/proxy.json"; fi
wait
