//! File descriptors: enough of them for all connections, or fewer connections, so that files can be read at any time.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What is not for connections: listeners, the log, the collector of traces, and the files that are read anew.
const KEPT: u64 = 48;

/// How many connections each of so many listeners may have, `most` if the process may have enough descriptors. The soft
/// limit is raised as far as that takes and the hard one lets it.
pub fn connections(listeners: u64, most: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = most as u64 * listeners + KEPT;
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = rustix::process::Rlimit {
            current: Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted))),
            ..limit
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let connections = share(limit.current, listeners, most);
    if connections < most {
        tracing::warn!(
            event = "few-descriptors",
            connections,
            limit = limit.current,
            "raise the limit of open files (ulimit -n) to {wanted} for {most} connections"
        );
    }
    connections
}

/// At least one, or nothing could be asked.
fn share(limit: Option<u64>, listeners: u64, most: usize) -> usize {
    let Some(limit) = limit else { return most };
    let each = limit.saturating_sub(KEPT) / listeners;
    usize::try_from(each).map_or(most, |each| each.clamp(1, most))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn files_can_be_read_though_all_connections_are_there() {
        assert_eq!(share(None, 2, 1024), 1024);
        assert_eq!(share(Some(20_000), 2, 1024), 1024);
        assert_eq!(share(Some(1024), 2, 1024), 488);
        assert_eq!(share(Some(64), 2, 1024), 8);
        assert_eq!(share(Some(3), 2, 1024), 1);
    }
}
