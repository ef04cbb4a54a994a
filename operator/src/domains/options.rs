//! The command line's part about domains; each option can be given by the environment.

#![expect(
    clippy::doc_markdown,
    reason = "the comments on options are what --help prints"
)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Args;

use super::checker::Settings;
use super::schedule::Pace;

/// How domains are checked.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Domains")]
pub struct Options {
    /// Take CustomDomains with verification.method None: whoever may write one gets any free name.
    #[arg(long, env = "MINTAGE_ALLOW_UNVERIFIED_DOMAINS")]
    pub allow_unverified_domains: bool,
    /// Ask hosts of private networks too, by name or address, for the file of HttpWellKnown.
    #[arg(long, env = "MINTAGE_ALLOW_PRIVATE_ADDRESSES")]
    pub allow_private_addresses: bool,
    /// The DNS server that is asked, as 10.96.0.10 or 10.96.0.10:53. Default: those of /etc/resolv.conf.
    #[arg(long, env = "MINTAGE_DNS_SERVER", value_name = "ADDRESS", value_parser = dns_server)]
    pub dns_server: Option<SocketAddr>,
    /// A domain that was shown is checked again after this many seconds.
    #[arg(
        long,
        env = "MINTAGE_DOMAIN_CHECK_SECONDS",
        value_name = "SECONDS",
        default_value_t = 43_200,
        value_parser = clap::value_parser!(u32).range(10..=2_592_000)
    )]
    pub domain_check_seconds: u32,
    /// How long a proof must be missed before it lapses, for tests.
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub domain_lapse_seconds: Option<u32>,
}

impl Options {
    /// How the checker asks.
    pub fn checker(&self) -> Settings {
        Settings {
            allow_private: self.allow_private_addresses,
            allow_unverified: self.allow_unverified_domains,
            dns_server: self.dns_server,
            ..Settings::default()
        }
    }

    /// How often it asks.
    pub fn pace(&self) -> Pace {
        let usual = Pace::default();
        let lapse = self.domain_lapse_seconds;
        Pace {
            period: Duration::from_secs(self.domain_check_seconds.into()),
            lapse_after: lapse.map_or(usual.lapse_after, |seconds| {
                Duration::from_secs(seconds.into())
            }),
            ..usual
        }
    }
}

fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>().ok();
    let without = || Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 53));
    with_port.or_else(without).ok_or_else(|| {
        "give the address of a DNS server, as 10.96.0.10, 10.96.0.10:53 or [fd00::10]:53".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        domains: Options,
    }

    fn read(arguments: &[&str]) -> Result<Options, String> {
        let all = std::iter::once(&"operator").chain(arguments);
        let command = Command::try_parse_from(all).map_err(|error| error.to_string())?;
        Ok(command.domains)
    }

    #[test]
    fn strict_by_default() {
        let options = read(&[]).unwrap();
        let settings = options.checker();
        assert!(!settings.allow_private && !settings.allow_unverified);
        assert_eq!(settings.dns_server, None);
        assert_eq!(settings.http_port, 80);
        assert_eq!(options.pace(), Pace::default());
    }

    #[test]
    fn a_dns_server_with_and_without_a_port() {
        for (text, address) in [
            ("10.96.0.10", "10.96.0.10:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("fd00::10", "[fd00::10]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            let options = read(&["--dns-server", text]).unwrap();
            assert_eq!(options.dns_server, Some(address.parse().unwrap()));
        }
        let error = read(&["--dns-server", "dns.example"]).unwrap_err();
        assert!(error.contains("10.96.0.10:53"), "{error}");
    }

    #[test]
    fn a_period_has_bounds() {
        let options = read(&["--domain-check-seconds", "60"]).unwrap();
        assert_eq!(options.pace().period, Duration::from_mins(1));
        assert!(read(&["--domain-check-seconds", "1"]).is_err());
    }
}
