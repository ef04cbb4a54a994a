//! SIGTERM and Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to end.
pub async fn termination() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
