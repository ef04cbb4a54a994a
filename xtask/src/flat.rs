//! Whether something that is measured again and again stays as it is.

/// Medians of what was measured: of the second quarter, when everything is warm, and of the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quarters {
    /// Of the second quarter.
    pub early: u64,
    /// Of the last one.
    pub late: u64,
}

impl Quarters {
    /// Of values in the order in which they were measured.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Self {
        let values: Vec<u64> = values.into_iter().collect();
        let quarter = values.len() / 4;
        Self {
            early: median(&values[quarter..2 * quarter]),
            late: median(&values[3 * quarter..]),
        }
    }

    /// Whether it grew by no more than that.
    pub fn is_flat(self, tolerance: u64) -> bool {
        self.late <= self.early + tolerance
    }
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_up_and_down_is_flat_and_what_grows_is_not() {
        assert!(Quarters::of((0..120).map(|second| 8192 + second % 7 * 50)).is_flat(1024));
        assert!(!Quarters::of((0..120).map(|second| 8192 + second * 20)).is_flat(1024));
    }

    #[test]
    fn it_may_grow_while_it_gets_warm_and_shrink_at_any_time() {
        let warm = |second| if second < 20 { 4096 } else { 9000 };
        let quarters = Quarters::of((0..120).map(warm));
        assert_eq!((quarters.early, quarters.late), (9000, 9000));
        assert!(Quarters::of((0..120).rev()).is_flat(0));
    }

    #[test]
    fn too_little_to_say_anything_does_not_panic() {
        for count in 0..4 {
            assert!(Quarters::of(vec![1; count]).early <= 1);
        }
    }
}
