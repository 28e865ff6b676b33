//! Facts: what a state has recorded, by name. Invariant: a fact that is missing or does not decode is an error that names
//! the fact; it is replaced by a default only where the machine declares one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

use crate::{Each, canonical};

/// Facts by name, as they stand in a record. The typed states are projections of it.
///
/// A clone shares them until one of the two is changed: a pass hands the same facts to guards, look-ups and methods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Arc<BTreeMap<String, Value>>);

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|facts| Self(Arc::new(facts)))
    }
}

/// What a fact must be.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a fact: it is not written to a record and read back",
    label = "not serializable",
    note = "a type of your own derives `serde::Serialize` and `serde::Deserialize`",
    note = "a secret is no fact: record where it is kept, and read it there"
)]
pub trait Fact: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Fact for T {}

/// A fact that cannot be read or stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FactError {
    /// The record has no such fact. Met when a machine gained a fact after the record was written, or the record was
    /// edited by hand.
    #[error("fact `{0}` is missing: restore the record, or give the machine a state that older records decode to")]
    Missing(String),
    /// The fact's value does not have the declared type.
    #[error("fact `{name}` does not decode ({why}): restore the record, or keep the fact's type readable")]
    Decode {
        /// The fact's name.
        name: String,
        /// What serde said.
        why: String,
    },
    /// The value cannot be written as JSON.
    #[error("fact `{name}` cannot be written as JSON ({why}): give it a type that serializes to JSON")]
    Encode {
        /// The fact's name.
        name: String,
        /// What serde said.
        why: String,
    },
    /// The value is read as another one than was written, or not at all.
    #[error("fact `{name}` is not read back as it was written ({why}): make its `Serialize` and `Deserialize` agree")]
    Lossy {
        /// The fact's name.
        name: String,
        /// What differs.
        why: String,
    },
    /// The state, transition or subject is not one of this machine.
    #[error("{0} is not part of this machine: run the version of the controller that wrote the record")]
    Foreign(String),
    /// The author's code panicked where nothing was sent.
    #[error("{what} panicked: {why}; mend it: until then every pass ends here")]
    Panicked {
        /// What panicked.
        what: String,
        /// What it said.
        why: String,
    },
}

impl Facts {
    /// Reads one fact.
    ///
    /// # Errors
    /// [`FactError::Missing`] or [`FactError::Decode`].
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, FactError> {
        let value = self.0.get(name).ok_or_else(|| FactError::Missing(name.to_owned()))?;
        T::deserialize(value).map_err(|error| FactError::Decode { name: name.to_owned(), why: error.to_string() })
    }

    #[doc(hidden)]
    pub fn fact<T: Fact>(&self, name: &str) -> Result<T, FactError> {
        self.get(name)
    }

    /// Reads an `Each` fact; one that was never written is the empty set.
    ///
    /// # Errors
    /// [`FactError::Decode`].
    pub fn each<S: DeserializeOwned + Ord, T: DeserializeOwned>(&self, name: &str) -> Result<Each<S, T>, FactError> {
        if self.0.contains_key(name) { self.get(name) } else { Ok(Each::new()) }
    }

    /// Reads one fact; one that was never written is the default of its type.
    ///
    /// # Errors
    /// [`FactError::Decode`].
    pub fn or_default<T: Fact + Default>(&self, name: &str) -> Result<T, FactError> {
        if self.0.contains_key(name) { self.get(name) } else { Ok(T::default()) }
    }

    /// Writes one fact, once it is certain that it can be read again.
    ///
    /// # Errors
    /// [`FactError::Encode`] or [`FactError::Lossy`].
    pub fn put<T: Fact>(&mut self, name: &str, value: &T) -> Result<(), FactError> {
        self.set(name, record(name, value)?);
        Ok(())
    }

    /// The stored value of a fact.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        Arc::make_mut(&mut self.0).insert(name.to_owned(), value);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if self.0.contains_key(name) {
            Arc::make_mut(&mut self.0).remove(name);
        }
    }

    /// These facts, with the ones in `saved` in place of their namesakes.
    pub(crate) fn overlaid(&self, saved: &Facts) -> Facts {
        let mut facts = self.clone();
        if !saved.is_empty() {
            Arc::make_mut(&mut facts.0).extend(saved.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        facts
    }

    /// The member of an `Each` fact.
    pub(crate) fn member(&self, fact: &str, subject: &str) -> Option<&Value> {
        self.0.get(fact).and_then(|value| value.get(subject))
    }

    /// The subjects of an `Each` fact, in order. A fact that is not there is an empty set.
    pub(crate) fn subjects(&self, fact: &str) -> Vec<String> {
        match self.0.get(fact) {
            Some(Value::Object(members)) => {
                canonical::sorted(members).into_iter().map(|(subject, _)| subject.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn set_member(&mut self, fact: &str, subject: &str, value: Value) {
        let entry =
            Arc::make_mut(&mut self.0).entry(fact.to_owned()).or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Value::Object(members) = entry {
            members.insert(subject.to_owned(), value);
        }
    }

    pub(crate) fn remove_member(&mut self, fact: &str, subject: &str) {
        if let Some(Value::Object(members)) = Arc::make_mut(&mut self.0).get_mut(fact) {
            members.remove(subject);
        }
    }
}

impl FromIterator<(String, Value)> for Facts {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(facts: I) -> Self {
        Self(Arc::new(facts.into_iter().collect()))
    }
}

/// The canonical form of a value that is not read again.
pub(crate) fn encode<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<Value, FactError> {
    canonical::form(value).map_err(|error| FactError::Encode { name: name.to_owned(), why: error.to_string() })
}

/// The canonical form of a value that is read again, once it is certain that it is read as the same one.
pub(crate) fn record<T: Serialize + DeserializeOwned>(name: &str, value: &T) -> Result<Value, FactError> {
    let form = encode(name, value)?;
    let lossy = |why: String| FactError::Lossy { name: name.to_owned(), why };
    let read = T::deserialize(&form).map_err(|error| lossy(error.to_string()))?;
    match canonical::difference(&form, &encode(name, &read)?) {
        None => Ok(form),
        Some(path) if path.is_empty() => Err(lossy("it is another value then".to_owned())),
        Some(path) => Err(lossy(format!("`{path}` is another value then"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<T: Serialize + DeserializeOwned>(value: &T) -> Result<Value, FactError> {
        let mut facts = Facts::default();
        facts.put("fact", value)?;
        Ok(facts.value("fact").cloned().unwrap_or_default())
    }

    #[derive(Serialize, Deserialize)]
    struct Renamed {
        #[serde(rename(serialize = "id", deserialize = "handle"), default)]
        id: String,
    }

    #[derive(Serialize, Deserialize)]
    struct Hidden {
        #[serde(skip_serializing)]
        id: String,
    }

    #[test]
    fn a_fact_is_written_only_if_it_is_read_back_as_it_was() {
        assert_eq!(written(&0.1_f64).unwrap(), serde_json::json!(0.1));
        assert_eq!(written(&None::<String>).unwrap(), Value::Null, "nothing is a value too");
        assert!(matches!(written(&Some(f64::NAN)), Err(FactError::Encode { .. })), "it would be read as nothing");
        let FactError::Lossy { why, .. } = written(&Renamed { id: "a".to_owned() }).unwrap_err() else {
            panic!("it is written")
        };
        assert_eq!(why, "`id` is another value then");
        let hidden = Hidden { id: "a".to_owned() };
        assert_eq!(hidden.id, "a");
        let FactError::Lossy { why, .. } = written(&hidden).unwrap_err() else { panic!("it is written") };
        assert_eq!(why, "missing field `id`");
        let set = |numbers: Vec<u32>| written(&numbers.into_iter().collect::<std::collections::HashSet<_>>()).unwrap();
        assert_eq!(set((0..50).collect()), set((0..50).rev().collect()));
    }
}
