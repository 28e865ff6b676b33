//! Values by name. Invariant: they are sorted by name, and no name is there twice.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The values of a record's facts: some dozens at most, and looked up far more often than changed. So a list is the faster map. A clone shares names and
/// values.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Values(Vec<(Arc<str>, Arc<Value>)>);

impl Values {
    /// None at all.
    pub(super) const NONE: Self = Self(Vec::new());

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Value>> {
        // Most names differ in length already.
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Arc<Value>> {
        self.0.iter_mut().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, name: &str, value: Arc<Value>) {
        match self.get_mut(name) {
            Some(known) => *known = value,
            None => self.0.insert(self.0.partition_point(|(known, _)| **known < *name), (name.into(), value)),
        }
    }

    /// The value of this name; if there is none, one of these from here on.
    pub(super) fn get_or_insert(&mut self, name: &str, value: impl FnOnce() -> Value) -> &mut Arc<Value> {
        let place = match self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, (name.into(), Arc::new(value())));
                place
            }
        };
        &mut self.0[place].1
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| **known != *name);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Value>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(String, Value)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        let mut list: Vec<(Arc<str>, Arc<Value>)> =
            values.into_iter().map(|(name, value)| (name.into(), Arc::new(value))).collect();
        if !list.is_sorted_by(|one, other| one.0 < other.0) {
            // The last of a name counts.
            list.reverse();
            list.sort_by(|one, other| one.0.cmp(&other.0));
            list.dedup_by(|one, other| one.0 == other.0);
        }
        Self(list)
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, &**value)))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Values;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(entry) = map.next_entry::<String, Value>()? {
                    values.push(entry);
                }
                Ok(values.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What a map of the standard library does.
    #[test]
    fn a_list_is_a_map() {
        let mut chance = 7_u64;
        let mut draw = |below: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % below
        };
        let (mut values, mut map) = (Values::NONE, BTreeMap::new());
        for round in 0..2000_u64 {
            let name = draw(30).to_string();
            match draw(4) {
                0 => {
                    values.remove(&name);
                    map.remove(&name);
                }
                1 => {
                    let known = map.entry(name.clone()).or_insert_with(|| Value::from(round)).clone();
                    assert_eq!(**values.get_or_insert(&name, || round.into()), known);
                }
                _ => {
                    values.insert(&name, Arc::new(round.into()));
                    map.insert(name.clone(), Value::from(round));
                }
            }
            assert_eq!(values.get(&name).map(|value| &**value), map.get(&name));
            assert_eq!(values.has(&name), map.contains_key(&name));
            assert_eq!(values.is_empty(), map.is_empty());
            let text = serde_json::to_string(&values).unwrap();
            assert_eq!(text, serde_json::to_string(&map).unwrap());
            assert_eq!(serde_json::from_str::<Values>(&text).unwrap(), values);
        }
        let twice = r#"{"b":1,"a":2,"b":3,"a":4}"#;
        let read: BTreeMap<String, Value> = serde_json::from_str(twice).unwrap();
        assert_eq!(serde_json::from_str::<Values>(twice).unwrap(), read.into_iter().collect());
        assert!(serde_json::from_str::<Values>("[]").unwrap_err().to_string().contains("expected a map"));
    }
}
