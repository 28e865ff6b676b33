//! A hash for what nobody chooses so that two of it fall together. Invariant: it is the same in every run, so what is compared by it is compared by what
//! was done alone.

use std::hash::Hasher;

/// Takes eight bytes at a time, by one multiplication: runs are compared by what they have written and what exists, which is hashed again and again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mixed(u64);

impl Mixed {
    fn add(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = (wide as u64).rotate_left(17) ^ (wide >> 64) as u64;
    }
}

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let last = rest.iter().fold(0, |last, byte| (last << 8) | u64::from(*byte));
            // As many bytes as there are, so that zeros at the beginning count.
            self.add(last | (rest.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.add(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.add(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn finish(&self) -> u64 {
        let mut last = *self;
        last.add(0);
        last.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::Hash;

    use super::*;

    fn hash<T: Hash>(value: T) -> u64 {
        let mut mixed = Mixed::default();
        value.hash(&mut mixed);
        mixed.finish()
    }

    #[test]
    fn what_differs_has_another_hash() {
        let words = (0..20_000_u64).map(|number| hash((number, number % 7)));
        let texts = (0..20_000_u64).map(|number| hash(format!("effect-{number}/{}", number % 13)));
        let bytes = (2..2_000_usize).map(|number| hash(vec![u8::from(number % 2 == 0); number / 2]));
        let options = (0..20_000_u32).map(|number| hash((Some(number), None::<u8>, number.is_multiple_of(3))));
        let bits = (0..64).flat_map(|one| (0..64).map(move |other| hash([1_u64 << one, 1_u64 << other])));
        let all: Vec<u64> = words.chain(texts).chain(bytes).chain(options).chain(bits).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_ne!(hash(("ab", "c")), hash(("a", "bc")));
    }
}
