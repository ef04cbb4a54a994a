//! Waiting for what comes to pass by itself.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::time::{Instant, sleep};

/// How long [`eventually`] waits: long enough for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Tries until it succeeds. An error is a "not yet", and the last one is told when the time is over, so let it say what
/// was there instead.
///
/// ```no_run
/// # use anyhow::{Result, ensure};
/// # async fn ready() -> Result<String> { Ok(String::new()) }
/// # async fn test() -> Result<()> {
/// mintage_tests::cluster::eventually("the tenant is ready", async || {
///     let status = ready().await?;
///     ensure!(status == "True", "it is {status}");
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub async fn eventually<T>(what: &str, attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    within(PATIENCE, what, attempt).await
}

/// The same with a time of one's own.
pub async fn within<T>(
    time: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + time;
    let mut last = anyhow!("the first attempt did not end");
    loop {
        // An attempt that hangs, on a server that is paused say, is given up as well.
        match tokio::time::timeout_at(end, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error,
            Err(_) => return Err(too_late(last, time, what)),
        }
        if Instant::now() + PAUSE > end {
            return Err(too_late(last, time, what));
        }
        sleep(PAUSE).await;
    }
}

fn too_late(last: anyhow::Error, time: Duration, what: &str) -> anyhow::Error {
    last.context(format!(
        "within {time:?} it did not come to pass that {what}"
    ))
}

/// Makes sure that something holds all the time, not only at once.
pub async fn throughout(
    time: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        attempt()
            .await
            .with_context(|| format!("it did not hold for {time:?} that {what}"))?;
        sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_attempt_that_fails_is_tried_again_and_the_last_reason_is_told() {
        let mut count = 0;
        let counted = eventually("it counts to three", async || {
            count += 1;
            anyhow::ensure!(count == 3, "only {count}");
            Ok(count)
        });
        assert_eq!(counted.await.unwrap(), 3);

        let never = within::<()>(
            Duration::from_millis(120),
            "the moon is green",
            async || anyhow::bail!("it is grey"),
        );
        assert_eq!(
            format!("{:#}", never.await.unwrap_err()),
            "within 120ms it did not come to pass that the moon is green: it is grey"
        );
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_is_given_up() {
        let stuck = within::<()>(Duration::from_millis(120), "it answers", async || {
            std::future::pending().await
        });
        assert_eq!(
            format!("{:#}", stuck.await.unwrap_err()),
            "within 120ms it did not come to pass that it answers: the first attempt did not end"
        );
    }

    #[tokio::test]
    async fn what_ends_to_hold_is_told() {
        let mut count = 0;
        let held = throughout(Duration::from_secs(5), "it is small", async || {
            count += 1;
            anyhow::ensure!(count < 3, "it is {count}");
            Ok(())
        });
        assert_eq!(
            format!("{:#}", held.await.unwrap_err()),
            "it did not hold for 5s that it is small: it is 3"
        );
    }
}
