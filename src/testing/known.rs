//! The keys that a record knows of. Invariant: a key is found at every place where it stands, and nowhere else.

use std::ops::Deref;

/// Keys in the order of a record, which are looked for again and again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    keys: Vec<String>,
    /// What each key begins with, and its place: sorted.
    sorted: Vec<(u64, usize)>,
}

impl Known {
    /// The places of this key, in order.
    pub(crate) fn places(&self, key: &str) -> impl Iterator<Item = usize> {
        let begin = beginning(key);
        let first = self.sorted.partition_point(|(other, _)| *other < begin);
        let alike = self.sorted[first..].iter().take_while(move |(other, _)| *other == begin);
        alike.map(|(_, place)| *place).filter(move |place| self.keys[*place] == key)
    }

    /// Whether it is one of them.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.places(key).next().is_some()
    }
}

fn beginning(key: &str) -> u64 {
    key.bytes().take(8).fold(0, |begin, byte| (begin << 8) | u64::from(byte))
}

impl FromIterator<String> for Known {
    fn from_iter<I: IntoIterator<Item = String>>(keys: I) -> Self {
        let keys: Vec<String> = keys.into_iter().collect();
        let mut sorted: Vec<_> = keys.iter().enumerate().map(|(place, key)| (beginning(key), place)).collect();
        sorted.sort_unstable();
        Self { keys, sorted }
    }
}

impl Deref for Known {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        let keys = ["", "a", "abcdefgh", "abcdefghi", "abcdefghj", "a", "b", "abcdefghi", "ab", "\0"];
        let known: Known = keys.map(str::to_owned).into_iter().collect();
        for key in keys.into_iter().chain(["abcdefghk", "c", "aa"]) {
            let there: Vec<usize> = (0..keys.len()).filter(|place| keys[*place] == key).collect();
            assert_eq!(known.places(key).collect::<Vec<_>>(), there, "{key}");
            assert_eq!(known.has(key), !there.is_empty());
        }
    }
}
