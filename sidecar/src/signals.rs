//! SIGTERM and Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to end. It listens from the call on, and not only when it is awaited: the first
/// process of a container that does not listen cannot be ended at all.
pub fn termination() -> impl Future<Output = std::io::Result<()>> {
    let signals = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    async move {
        let (mut terminate, mut interrupt) = signals?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }
}
