//! Which hosts and addresses the checker goes to. It runs inside the cluster and asks hosts that tenants name, so without
//! these bounds a tenant could have it ask what only the inside can reach (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a host's name is not gone by, unless private addresses are allowed. `clusters` are the domains of the cluster's
/// own names, as `cluster.local`.
pub fn bar_host(host: &str, clusters: &[String]) -> Option<&'static str> {
    let below = |zone: &str| {
        let rest = host.strip_suffix(zone);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    if host.parse::<Ipv4Addr>().is_ok() {
        Some("is an address and no name")
    } else if is_number(last) {
        Some("ends in a number, which programs read as an address")
    } else if below("localhost") {
        Some("is the machine itself, for each that asks")
    } else if !host.contains('.') {
        Some("has no dot, so that what it names depends on where one asks")
    } else if clusters.iter().any(|zone| below(zone)) {
        Some("is a name of the cluster's own")
    } else {
        None
    }
}

/// Whether a name's last label makes it an IPv4 address in the eyes of a browser: `127.1`, `10.0x7f` (WHATWG URL, "ends
/// in a number").
fn is_number(label: &str) -> bool {
    let hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    label.bytes().all(|b| b.is_ascii_digit()) || label.strip_prefix("0x").is_some_and(hex)
}

/// Why an address is not gone to, unless private ones are allowed. Whatever is not for the whole internet is not gone to
/// (IANA's registries of special-purpose addresses, RFC 6890), nor what would lead there by translation.
pub fn bar_address(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => bar_v4(address),
        IpAddr::V6(address) => bar_v6(address),
    }
}

fn bar_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => Some("unspecified"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("private"),
        (100, 64..=127, _) => Some("of a carrier's network"),
        (127, ..) => Some("loopback"),
        (169, 254, _) => Some("link-local"),
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) | (240.., ..) => Some("reserved"),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some("for documentation only"),
        (224..=239, ..) => Some("multicast"),
        _ => None,
    }
}

fn bar_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, second, middle @ .., _, _] = address.segments();
    let [.., w, x, y, z] = address.octets();
    let embedded = Ipv4Addr::new(w, x, y, z);
    match (first, second) {
        _ if address.is_unspecified() => Some("unspecified"),
        _ if address.is_loopback() => Some("loopback"),
        // NAT64 (RFC 6052): how a network without IPv4 reaches it. It is as good as the address inside.
        (0x64, 0xff9b) if middle == [0; 4] => bar_v4(embedded),
        (0, 0) if middle == [0, 0, 0, 0xffff] => Some("an IPv4 address in disguise"),
        (0xfc00..=0xfdff, _) => Some("private"),
        (0xfe80..=0xfebf, _) => Some("link-local"),
        (0xff00.., _) => Some("multicast"),
        (0x2001, 0xdb8) | (0x3fff, 0..=0xfff) => Some("for documentation only"),
        // Teredo and other protocols; 6to4.
        (0x2001, 0..=0x1ff) | (0x2002, _) => Some("reserved"),
        (0x2000..=0x3fff, _) => None,
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn barred(text: &str) -> bool {
        bar_address(text.parse().unwrap()).is_some()
    }

    #[test]
    fn addresses_of_the_internet_are_gone_to() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450:4001::8a",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(!barred(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_other_networks_are_not_gone_to() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.96.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(barred(text), "{text}");
        }
    }

    #[test]
    fn names_that_lead_inside_are_not_gone_by() {
        let clusters = ["cluster.local".to_owned(), "k8s.corp".to_owned()];
        for host in [
            "10.0.0.1",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "a.0x7f",
            "a.0x",
            "1.2.3.4.5",
            "intranet",
            "localhost",
            "acme.localhost",
            "cluster.local",
            "kubernetes.default.svc.cluster.local",
            "etcd.kube-system.svc.k8s.corp",
        ] {
            assert!(bar_host(host, &clusters).is_some(), "{host}");
        }
        for host in [
            "acme.example",
            "notcluster.local",
            "my-localhost.example",
            "localhost.example",
            "1and1.example",
            "10.0.0.1.example",
            "a.0xyz",
            "xn--fiqs8s.example",
        ] {
            assert_eq!(bar_host(host, &clusters), None, "{host}");
        }
    }
}
