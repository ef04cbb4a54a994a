//! Many requests, a bounded number of them at once.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

/// More than the API server is given at once ([`crate::api`]), and few enough not to fill memory: a request that waits takes
/// tens of kilobytes.
const AT_ONCE: usize = 32;

/// Does `work` on each item; what came of it, in the order in which it was finished.
pub async fn at_once<T, F: Future>(items: Vec<T>, work: impl Fn(T) -> F) -> Vec<F::Output> {
    let mut items = items.into_iter();
    let mut begun: FuturesUnordered<F> = items.by_ref().take(AT_ONCE).map(&work).collect();
    let mut finished = Vec::with_capacity(begun.len() + items.len());
    while let Some(done) = begun.next().await {
        finished.push(done);
        begun.extend(items.next().map(&work));
    }
    finished
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn all_is_done_and_never_too_much_at_once() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let work = |item: usize| {
            let (now, most) = (&now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(now.get().max(most.get()));
                tokio::task::yield_now().await;
                now.set(now.get() - 1);
                item
            }
        };
        let mut done = at_once((0..1000).collect(), work).await;
        done.sort_unstable();
        assert_eq!(done, (0..1000).collect::<Vec<_>>());
        assert_eq!(most.get(), AT_ONCE);
    }
}
