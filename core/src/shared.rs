//! Values in common.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value that whoever clones it has in common with the original, until one of them changes it: that one then has its
/// own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shared<T>(Arc<T>);

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_whoever_makes_it_only() {
        let mut one = Shared::from(vec![1]);
        let other = one.clone();
        assert_eq!(one.as_ptr(), other.as_ptr());
        one[0] = 2;
        assert_eq!((&*one, &*other), (&vec![2], &vec![1]));
        let alone = one.as_ptr();
        one[0] = 3;
        assert_eq!(one.as_ptr(), alone, "nobody else has it: no second one");
    }
}
