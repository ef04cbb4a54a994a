//! Connections that have not shown yet whose they are: few from each address, so that one pod cannot keep others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

/// How many of one address. Pods of a node's network share one.
const MOST: usize = 32;

/// How long one that was refused counts still: each may have the API server review a token.
const LINGER: Duration = Duration::from_secs(1);

/// How many there are, by address.
#[derive(Clone, Debug, Default)]
pub struct Newcomers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them; it is one no more with the end of this value.
#[derive(Debug)]
pub struct Newcomer {
    all: Newcomers,
    from: IpAddr,
}

impl Newcomers {
    /// Takes one up, unless there are too many of its address.
    pub fn enter(&self, from: IpAddr) -> Option<Newcomer> {
        let mut counts = self.counts();
        let count = counts.entry(from).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        Some(Newcomer {
            all: self.clone(),
            from,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    /// It leaves without having shown whose it is.
    pub async fn leave(self) {
        sleep(LINGER).await;
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack: one pod keeps the API server busy with tokens that are none.
    #[tokio::test(start_paused = true)]
    async fn who_was_refused_takes_up_room_for_a_while() {
        let all = Newcomers::default();
        let from = [10, 0, 0, 1].into();
        let mut newcomers: Vec<_> = (0..MOST).map(|_| all.enter(from).unwrap()).collect();
        let leaving = tokio::spawn(newcomers.pop().unwrap().leave());
        sleep(LINGER / 2).await;
        assert!(all.enter(from).is_none());
        leaving.await.unwrap();
        assert!(all.enter(from).is_some());
    }

    #[test]
    fn one_address_has_room_for_a_few_and_takes_none_from_others() {
        let all = Newcomers::default();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut newcomers: Vec<_> = (0..MOST).map(|_| all.enter(one).unwrap()).collect();
        assert!(all.enter(one).is_none());
        assert!(all.enter(other).is_some());
        newcomers.pop();
        assert!(all.enter(one).is_some());
        newcomers.clear();
        assert!(all.counts().is_empty());
    }
}
