//! Sets of things made one by one. Invariant: a member is in the set if and only if the record holds what was made for it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{FactError, canonical};

/// What was made for each subject: the fact that a `for_each` transition keeps equal to its wanted set.
///
/// It begins empty and is read like a `BTreeMap`. Only the driver changes it. A clone shares the members.
pub struct Each<S, T> {
    members: Arc<BTreeMap<S, T>>,
    /// Set where the driver wants to know whether somebody has looked into it.
    sign: Option<Arc<AtomicBool>>,
}

impl<S, T> Each<S, T> {
    /// The empty set, for generated constructors and for tests.
    #[must_use]
    pub fn new() -> Self {
        Self::shared(Arc::default(), None)
    }

    pub(crate) fn shared(members: Arc<BTreeMap<S, T>>, sign: Option<Arc<AtomicBool>>) -> Self {
        Self { members, sign }
    }

    pub(crate) fn into_members(self) -> Arc<BTreeMap<S, T>> {
        self.members
    }
}

impl<S, T> Default for Each<S, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, T> Clone for Each<S, T> {
    fn clone(&self) -> Self {
        Self { members: Arc::clone(&self.members), sign: self.sign.clone() }
    }
}

impl<S: PartialEq, T: PartialEq> PartialEq for Each<S, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<S: Eq, T: Eq> Eq for Each<S, T> {}

impl<S, T> Deref for Each<S, T> {
    type Target = BTreeMap<S, T>;

    fn deref(&self) -> &Self::Target {
        if let Some(sign) = &self.sign {
            sign.store(true, Ordering::Relaxed);
        }
        &self.members
    }
}

impl<S: fmt::Debug, T: fmt::Debug> fmt::Debug for Each<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<S: Serialize, T: Serialize> Serialize for Each<S, T> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (subject, made) in &**self {
            map.serialize_entry(&subject_text(subject).map_err(Z::Error::custom)?, made)?;
        }
        map.end()
    }
}

impl<'de, S: DeserializeOwned + Ord, T: Deserialize<'de>> Deserialize<'de> for Each<S, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<S, T>(PhantomData<(S, T)>);
        impl<'de, S: DeserializeOwned + Ord, T: Deserialize<'de>> Visitor<'de> for Members<S, T> {
            type Value = Each<S, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one entry for each subject")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((text, made)) = map.next_entry::<String, T>()? {
                    members.insert(subject_value(&text).map_err(A::Error::custom)?, made);
                }
                Ok(Each::shared(Arc::new(members), None))
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// How a subject is written in a record: a string is written as it is, any other value as `=` and its canonical JSON. A string that
/// begins with `=` is written as JSON, too, so that no two subjects have the same text.
pub(crate) fn subject_text<S: Serialize>(subject: &S) -> Result<String, FactError> {
    let value = crate::fact::encode("subject", subject)?;
    match value {
        serde_json::Value::String(text) if !text.starts_with('=') => Ok(text),
        other => Ok(format!("={}", canonical::text(&other))),
    }
}

/// The inverse of [`subject_text`].
pub(crate) fn subject_value<S: DeserializeOwned>(text: &str) -> Result<S, FactError> {
    let decoded = match text.strip_prefix('=') {
        Some(json) => serde_json::from_str(json),
        None => serde_json::from_value(serde_json::Value::String(text.to_owned())),
    };
    decoded.map_err(|error| FactError::Decode { name: format!("subject {text}"), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_has_a_text_of_its_own() {
        for subject in ["a", "", "=", "=1", "\"a\"", "{}"] {
            let text = subject_text(&subject).unwrap();
            assert_eq!(subject_value::<String>(&text).unwrap(), subject);
        }
        assert_eq!(subject_text(&"1").unwrap(), "1");
        assert_eq!(subject_text(&1).unwrap(), "=1");
        assert_eq!(subject_value::<u8>("=1").unwrap(), 1);
        assert!(subject_value::<u8>("1").is_err());
    }

    /// A subject of another order is the same subject: a live member would be removed and made again.
    #[test]
    fn the_text_of_a_subject_is_sorted() {
        let pairs = [("a", 1), ("b", 2)];
        let forwards: std::collections::HashMap<_, _> = pairs.into_iter().collect();
        let written = subject_text(&forwards).unwrap();
        assert_eq!(written, r#"={"a":1,"b":2}"#);
        #[derive(Serialize)]
        struct Port {
            protocol: &'static str,
            number: u16,
        }
        assert_eq!(subject_text(&Port { protocol: "tcp", number: 80 }).unwrap(), r#"={"number":80,"protocol":"tcp"}"#);
    }

    #[test]
    fn members_survive_json() {
        let members = BTreeMap::from([((1, "x".to_owned()), true), ((2, "y".to_owned()), false)]);
        let each = Each::shared(Arc::new(members), None);
        let json = serde_json::to_string(&each).unwrap();
        assert_eq!(json, r#"{"=[1,\"x\"]":true,"=[2,\"y\"]":false}"#);
        assert_eq!(serde_json::from_str::<Each<(u8, String), bool>>(&json).unwrap(), each);
    }
}
