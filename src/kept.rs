//! Values that are kept. Invariant: a value is recorded if and only if the latest request that sent one was answered, so a value that is there is the
//! one that the provider shows.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::each::{subject_text, subject_value};

/// A value that a `keep` transition keeps equal to the wanted one: a power state, a size, a list of rules.
///
/// It begins unset. While another value is being sent, it is unset, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<T>(Option<T>);

impl<T> Kept<T> {
    /// No value, for generated constructors and for tests.
    #[must_use]
    pub fn new() -> Self {
        Self(None)
    }

    /// The value that was confirmed last. It is none until the request for the latest value was answered.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::new()
    }
}

// It is written like a set of one: its text, and nothing made for it.
impl<T: Serialize> Serialize for Kept<T> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut map = serializer.serialize_map(Some(usize::from(self.0.is_some())))?;
        if let Some(value) = &self.0 {
            map.serialize_entry(&subject_text(value).map_err(Z::Error::custom)?, &())?;
        }
        map.end()
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Kept<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One<T>(std::marker::PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for One<T> {
            type Value = Kept<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with at most one entry")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let first = map.next_entry::<String, ()>()?;
                if map.next_entry::<String, ()>()?.is_some() {
                    return Err(A::Error::custom("a kept value is one, and two are recorded"));
                }
                first.map(|(text, ())| subject_value(&text).map_err(A::Error::custom)).transpose().map(Kept)
            }
        }
        deserializer.deserialize_map(One(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_written_and_two_are_none() {
        for (kept, json) in [(Kept(Some(true)), r#"{"=true":null}"#), (Kept::<bool>::new(), "{}")] {
            assert_eq!(serde_json::to_string(&kept).unwrap(), json);
            assert_eq!(serde_json::from_str::<Kept<bool>>(json).unwrap(), kept);
        }
        assert!(serde_json::from_str::<Kept<bool>>(r#"{"=true":null,"=false":null}"#).is_err());
    }
}
