//! What receivers can hold at a moment: every order of arrival within the bound.

use std::collections::BTreeSet;

use mintage_core::Seconds;

use crate::fixture::TICK;
use crate::operator::Sent;

/// What one receiver has of one kind of message. Bit `i` of a mask stands for the message with index `i`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Held {
    /// The message in force.
    pub index: usize,
    /// All messages that have arrived.
    pub arrived: u32,
}

/// How messages travel.
#[derive(Clone, Copy, Debug)]
pub struct Travel {
    /// The longest delay.
    pub bound: Seconds,
    /// Whether a receiver lets an older message replace a newer one: a fault.
    pub takes_older: bool,
}

/// All that a receiver can hold at each tick. A message arrives at any tick from its sending until its bound has passed,
/// those of one tick in any order, or never if a newer one has arrived by then: a Secret that is written twice is read
/// once. A receiver starts with its first message.
pub fn reachable<T>(sent: &[Sent<T>], travel: Travel, ticks: i64) -> Vec<BTreeSet<Held>> {
    let sent_by = |at: Seconds| {
        let count = sent.iter().filter(|message| message.at <= at).count();
        (1_u32 << count) - 1
    };
    let mut all = Vec::new();
    let mut now: BTreeSet<Option<Held>> = BTreeSet::from([None]);
    for at in (0..=ticks).map(|tick| tick * TICK) {
        let due = sent_by(at - travel.bound);
        let under_way = sent_by(at) & !sent_by(at - travel.bound - TICK);
        now = now
            .into_iter()
            .flat_map(|held| deliveries(held, under_way, highest(due), travel.takes_older))
            .collect();
        all.push(now.iter().copied().flatten().collect());
    }
    all
}

/// What a receiver can hold after one tick: any of the messages under way arrive, as long as it then has the one that
/// is due or a newer one.
fn deliveries(
    held: Option<Held>,
    under_way: u32,
    due: Option<usize>,
    takes_older: bool,
) -> Vec<Option<Held>> {
    let before = held.map_or(0, |held| held.arrived);
    let waiting = under_way & !before;
    let mut outcomes = Vec::new();
    let mut subset = waiting;
    loop {
        let arrived = before | subset;
        if highest(arrived) >= due {
            let mut take = |index: usize| outcomes.push(Some(Held { index, arrived }));
            match highest(subset) {
                None => outcomes.push(held),
                Some(_) if takes_older => bits(subset).for_each(take),
                Some(new) => take(held.map_or(new, |held| held.index.max(new))),
            }
        }
        if subset == 0 {
            return outcomes;
        }
        subset = (subset - 1) & waiting;
    }
}

/// The indices in a mask.
pub fn bits(mask: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |index| mask >> index & 1 == 1)
}

fn highest(mask: u32) -> Option<usize> {
    bits(mask).last()
}
