# Makes a node image of kind's out of a small Debian, in a container of it.
#
# /mintage/kind: kind's own files of such an image. /mintage/bin: programs. /mintage/images: what a control plane runs.
# $1: the version of Kubernetes. $2: the image that holds a pod's namespaces.
set -eu
umask 022

# Files that kind expects, as its module has them: it forgets which of them are programs.
cp -r --no-preserve=mode /mintage/kind/etc /mintage/kind/kind /mintage/kind/usr /
chmod 0755 /kind/bin/* /usr/local/bin/*
printf %s "$1" >/kind/version
mkdir -p /etc/kubernetes/manifests /etc/cni/net.d /opt/cni/bin /kind/manifests

for program in containerd containerd-shim-runc-v2 ctr; do install /mintage/bin/$program /usr/local/bin/; done
install /mintage/bin/runc /usr/local/sbin/
for program in kubeadm kubectl kubelet; do install /mintage/bin/$program /usr/bin/; done
for program in bridge host-local loopback; do install /mintage/bin/$program /opt/cni/bin/; done

# A machine's services are not a node's.
find /lib/systemd/system/sysinit.target.wants -name systemd-tmpfiles-setup.service -delete
rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* \
    /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/basic.target.wants/* \
    /lib/systemd/system/sockets.target.wants/*udev* /lib/systemd/system/sockets.target.wants/*initctl*
# The kernel's messages are the machine's.
echo ReadKMsg=no >>/etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd /sbin/init
systemctl --quiet enable containerd.service kubelet.service undo-mount-hacks.service
systemctl --quiet mask systemd-binfmt.service

# Not every machine lets root make a process less likely to be ended for want of memory.
sed -i -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' \
    -e "s|sandbox_image = .*|sandbox_image = \"$2\"|" /etc/containerd/config.toml
ctr oci spec | jq 'del(.process.rlimits)
    | .hooks.createContainer += [{ path: "/kind/bin/mount-product-files.sh" }]' >/etc/containerd/cri-base.json
# A kubelet refuses version 1 of control groups otherwise.
sed -i 's/$/ --fail-cgroupv1=false/' /etc/default/kubelet

# There is one node, whose pods have the first range; kind's own network is an image that is not to be had here.
cat >/etc/cni/net.d/10-pods.conflist <<'X'
{ "cniVersion": "1.0.0", "name": "pods", "plugins": [{
    "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.244.0.0/24" }]], "routes": [{ "dst": "0.0.0.0/0" }] }
}] }
X

# These are the whole machine's, and kubelet and systemd would set them: they get files of their own to write to.
rm -f /usr/lib/sysctl.d/*.conf /etc/sysctl.d/99-sysctl.conf /etc/sysctl.conf
cat >/kind/bin/own-settings.sh <<'X'
#!/bin/sh
set -eu
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000 fs/file-max fs/nr_open kernel/pid_max; do
    name=${setting%=*}
    own=/kind/own-settings/$name
    mkdir -p "${own%/*}"
    case $setting in
    *=*) echo "${setting#*=}" >"$own" ;;
    *) cat "/proc/sys/$name" >"$own" ;;
    esac
    mount --bind "$own" "/proc/sys/$name"
done
# What pods answer each other passes the bridge, and Services have to be turned back there.
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
X
chmod 0755 /kind/bin/own-settings.sh
sed -i "/^log_info 'starting init'/i /kind/bin/own-settings.sh" /usr/local/bin/entrypoint
grep -q ^/kind/bin/own-settings.sh /usr/local/bin/entrypoint

# The images: their content alone, which is unpacked when they are first used.
cat >/tmp/containerd.toml <<'X'
version = 3
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
X
containerd --config /tmp/containerd.toml >/tmp/containerd.log 2>&1 &
for try in $(seq 100); do
    ctr version >/dev/null 2>&1 && break
    sleep 0.1
done
for image in /mintage/images/*.tar; do
    ctr --namespace k8s.io images import --no-unpack --label io.cri-containerd.pinned=pinned "$image" >/tmp/ctr.log 2>&1 ||
        { cat /tmp/containerd.log /tmp/ctr.log; exit 1; }
done
kill $!
wait || :
rm -rf /tmp/* /var/cache/apt/* /var/lib/apt/lists/*
