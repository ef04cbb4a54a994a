//! A way to the endpoint, on the ports that browsers know: each has an address of this machine's loopback for itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use mintage_tests::node::Gate;
use mintage_tests::people::Door;
use mintage_tests::stage::Stage;
use mintage_tests::visitor::Visitor;

/// The way to a Service.
pub struct Way {
    /// What it is called.
    pub name: &'static str,
    address: IpAddr,
    _gates: Vec<Gate>,
}

impl Way {
    /// Opens one to both ports of a Service.
    pub async fn open(
        stage: &Stage,
        name: &'static str,
        number: u8,
        service: (&str, &str),
    ) -> Result<Self> {
        let bare = stage.bare().context("a given cluster")?;
        let services: Api<Service> = Api::namespaced(stage.client.clone(), service.0);
        let service = services.get(service.1).await?;
        let cluster_ip = service.spec.and_then(|spec| spec.cluster_ip);
        let to: IpAddr = cluster_ip.context("no address")?.parse()?;
        let address = IpAddr::from(Ipv4Addr::new(127, 77, 43, number));
        let mut gates = Vec::new();
        for port in [80, 443] {
            let at = SocketAddr::new(address, port);
            gates.push(bare.node.gate(at, SocketAddr::new(to, port)).await?);
        }
        Ok(Self {
            name,
            address,
            _gates: gates,
        })
    }

    /// The endpoint by one of its hosts.
    pub fn door(&self, host: &str, authority: &str) -> Result<Door> {
        Door::at(host, SocketAddr::new(self.address, 443), authority)
    }

    /// Who knows the hosts at the port without TLS.
    pub fn passer_by(&self, hosts: &[&str], authority: &str) -> Result<Visitor> {
        let address = SocketAddr::new(self.address, 80);
        Visitor::at(hosts, address, authority.as_bytes())
    }
}
