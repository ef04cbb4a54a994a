//! Small maps.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A map that takes the room of its entries and no more, in the order of its keys.
///
/// Bundles and ledgers are made of maps with one to three entries, a hundred thousand of them in a large cluster. A
/// `BTreeMap` has room for eleven from the first on. Changes cost a move of what comes after: what grows entry by entry
/// to many is to be collected.
#[derive(Clone, Eq, PartialEq)]
pub struct SortedMap<K, V> {
    /// By key, no key twice.
    entries: Vec<(K, V)>,
}

impl<K, V> SortedMap<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + DoubleEndedIterator + Clone {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> + DoubleEndedIterator + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values, by key.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + DoubleEndedIterator + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values, by key.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// Keeps the entries that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries
            .binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let index = self.find(key).ok()?;
        Some(&self.entries[index].1)
    }

    /// The value of a key.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let index = self.find(key).ok()?;
        Some(&mut self.entries[index].1)
    }

    /// Whether a key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Puts an entry in the place of what its key had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(index) => Some(std::mem::replace(&mut self.entries[index].1, value)),
            Err(index) => {
                self.entries.reserve_exact(1);
                self.entries.insert(index, (key, value));
                None
            }
        }
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let index = self.find(key).ok()?;
        Some(self.entries.remove(index).1)
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of entries with the same key the last counts.
impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        if !entries.is_sorted_by(|one, next| one.0 < next.0) {
            // Stable, so that the last of a key is the one that the next step keeps.
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(later, kept);
                }
                same
            });
        }
        entries.shrink_to_fit();
        Self { entries }
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

/// As a map.
impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// From a map. Of entries with the same key the last counts.
impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for SortedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
    type Value = SortedMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What is done to a map.
    #[derive(Clone, Debug)]
    enum Deed {
        Insert(u8, u16),
        Remove(u8),
        Keep(u8),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            (0..12_u8, any::<u16>()).prop_map(|(key, value)| Deed::Insert(key, value)),
            (0..12_u8).prop_map(Deed::Remove),
            (2..5_u8).prop_map(Deed::Keep),
        ];
        prop::collection::vec(deed, 0..40)
    }

    proptest! {
        #[test]
        fn it_is_a_map_as_the_standard_one(
            start in prop::collection::vec((0..12_u8, any::<u16>()), 0..20),
            deeds in deeds(),
        ) {
            let mut sorted: SortedMap<u8, u16> = start.iter().copied().collect();
            let mut standard: BTreeMap<u8, u16> = start.into_iter().collect();
            for deed in deeds {
                match deed {
                    Deed::Insert(key, value) => {
                        prop_assert_eq!(sorted.insert(key, value), standard.insert(key, value));
                    }
                    Deed::Remove(key) => {
                        prop_assert_eq!(sorted.remove(&key), standard.remove(&key));
                    }
                    Deed::Keep(divisor) => {
                        sorted.retain(|key, value| {
                            *value /= 2;
                            key % divisor == 0
                        });
                        standard.retain(|key, value| {
                            *value /= 2;
                            key % divisor == 0
                        });
                    }
                }
                prop_assert!(sorted.iter().eq(standard.iter()));
                prop_assert!((0..12).all(|key| sorted.get(&key) == standard.get(&key)));
            }
            let json = serde_json::to_string(&sorted).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&standard).unwrap());
            prop_assert_eq!(&serde_json::from_str::<SortedMap<u8, u16>>(&json).unwrap(), &sorted);
            prop_assert_eq!(format!("{sorted:?}"), format!("{standard:?}"));
        }
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_counts() {
        let sorted: SortedMap<u8, u8> = serde_json::from_str(r#"{"2":1,"1":1,"2":7}"#).unwrap();
        assert_eq!(sorted, SortedMap::from([(1, 1), (2, 7)]));
    }

    #[test]
    fn there_is_room_for_its_entries_and_no_more() {
        let mut sorted: SortedMap<u8, u8> = [(3, 0)].into_iter().collect();
        sorted.insert(1, 0);
        sorted.insert(2, 0);
        assert_eq!(sorted.entries.capacity(), 3);
        let collected: SortedMap<u8, u8> =
            (0..5).filter(|key| *key > 1).map(|key| (key, 0)).collect();
        assert_eq!(collected.entries.capacity(), 3);
    }
}
