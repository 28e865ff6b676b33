//! Facts: what a state has recorded, by name. Invariant: a fact that is missing or does not decode is an error that names
//! the fact; it is replaced by a default only where the machine declares one.

mod read;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

use crate::each::subject_value;
use crate::{Each, Kept, canonical};
use read::Lineage;
pub(crate) use read::{Mark, Watch};
use values::Values;

/// Facts by name, as recorded. The typed states are read from them.
///
/// A clone shares them until one of the two is changed: a pass hands the same facts to guards, look-ups and methods.
#[derive(Clone, Default)]
pub struct Facts {
    /// None until there is one: every live effect has some, and nearly none of them has any.
    values: Option<Arc<Values>>,
    lineage: Lineage,
    /// Set where somebody wants to know what is looked at.
    watch: Option<Arc<Watch>>,
}

/// A set of fewer members is decoded anew each time: that costs less than keeping it.
const FEW: usize = 16;

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Facts").field(self.values()).finish()
    }
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}

impl Eq for Facts {}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Values::deserialize(deserializer).map(Self::from)
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
    /// The record has no such fact. Either the machine gained the fact after the record was written, or the record was
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
    /// The value reads back as another one, or cannot be read back.
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

impl FactError {
    /// Whether something recorded cannot be read: another record, or another version of the machine, mends it.
    pub(crate) fn is_of_reading(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Decode { .. } | Self::Foreign(_))
    }
}

impl Facts {
    /// Reads one fact.
    ///
    /// # Errors
    /// [`FactError::Missing`] or [`FactError::Decode`].
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, FactError> {
        let value = self.value(name).ok_or_else(|| FactError::Missing(name.to_owned()))?;
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
    pub fn each<S, T>(&self, name: &str) -> Result<Each<S, T>, FactError>
    where
        S: DeserializeOwned + Ord + Send + Sync + 'static,
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let sign = self.watch.as_ref().map(|watch| watch.sign(name));
        let Some(value) = self.values().get(name) else { return Ok(Each::shared(Arc::default(), sign)) };
        let decoded = || -> Result<Each<S, T>, FactError> {
            Each::deserialize(&**value)
                .map_err(|error| FactError::Decode { name: name.to_owned(), why: error.to_string() })
        };
        let Value::Object(recorded) = &**value else { return decoded() };
        if recorded.len() < FEW {
            return Ok(Each::shared(decoded()?.into_members(), sign));
        }
        let kept = self.lineage.take::<BTreeMap<S, T>>(name);
        let members = match kept.and_then(|(members, changed)| brought_up(members, &changed, recorded)) {
            Some(members) => members,
            None => decoded()?.into_members(),
        };
        self.lineage.keep(name, Arc::clone(&members));
        Ok(Each::shared(members, sign))
    }

    /// Reads a `Kept` fact; one that was never written is unset.
    ///
    /// # Errors
    /// [`FactError::Decode`].
    pub fn kept<T: DeserializeOwned>(&self, name: &str) -> Result<Kept<T>, FactError> {
        if let Some(watch) = &self.watch {
            watch.sign(name).store(true, std::sync::atomic::Ordering::Relaxed);
        }
        if self.values().has(name) { self.get(name) } else { Ok(Kept::new()) }
    }

    /// Reads one fact; one that was never written is the default of its type.
    ///
    /// # Errors
    /// [`FactError::Decode`].
    pub fn or_default<T: Fact + Default>(&self, name: &str) -> Result<T, FactError> {
        if self.values().has(name) { self.get(name) } else { Ok(T::default()) }
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
        self.shared_value(name).map(|value| &**value)
    }

    /// Names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.shared().map(|(name, value)| (name, &**value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values().is_empty()
    }

    /// Whether both are one clone of the other, and neither was changed. If not, they may still be equal.
    #[cfg(feature = "testing")]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        match (&self.values, &other.values) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    fn values(&self) -> &Values {
        static NONE: Values = Values::NONE;
        self.values.as_deref().unwrap_or(&NONE)
    }

    fn looked_at(&self, name: &str) {
        if let Some(watch) = &self.watch {
            watch.sign(name).store(true, Ordering::Relaxed);
        }
    }

    /// The same facts, and what tells which sets among them were looked into.
    pub(crate) fn watched(&self) -> (Self, Arc<Watch>) {
        let watch = Arc::<Watch>::default();
        (Self { watch: Some(Arc::clone(&watch)), ..self.clone() }, watch)
    }

    /// Where these facts stand now, to be asked later what has changed.
    pub(crate) fn mark(&self) -> Mark {
        self.lineage.mark()
    }

    /// What has changed since, in no particular order; none if that is not known, or if the mark is one of other facts.
    pub(crate) fn since(&self, mark: &Mark) -> Option<Vec<read::Change>> {
        self.lineage.since(mark)
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.share(name, Arc::new(value));
    }

    /// As [`set`](Self::set), for a value that other facts have too.
    pub(crate) fn share(&mut self, name: &str, value: Arc<Value>) {
        owned(&mut self.values).insert(name, value);
        self.lineage.change(name, None);
    }

    /// Names and values, as they may be [shared](Self::share).
    pub(crate) fn shared(&self) -> impl Iterator<Item = (&str, &Arc<Value>)> {
        self.values().iter().inspect(|(name, _)| self.looked_at(name))
    }

    /// As [`value`](Self::value), as it may be [shared](Self::share).
    pub(crate) fn shared_value(&self, name: &str) -> Option<&Arc<Value>> {
        self.looked_at(name);
        self.values().get(name)
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if self.values().has(name) {
            owned(&mut self.values).remove(name);
            self.lineage.change(name, None);
        }
    }

    /// These facts, with the ones in `saved` in place of their namesakes.
    pub(crate) fn overlaid(&self, saved: &Facts) -> Facts {
        let mut facts = self.clone();
        for (name, value) in saved.values().iter() {
            owned(&mut facts.values).insert(name, Arc::clone(value));
            facts.lineage.change(name, None);
        }
        facts
    }

    /// The member of an `Each` fact.
    pub(crate) fn member(&self, fact: &str, subject: &str) -> Option<&Value> {
        self.value(fact).and_then(|value| value.get(subject))
    }

    /// The subjects of an `Each` fact, in order. A fact that is not there is an empty set.
    pub(crate) fn subjects(&self, fact: &str) -> Vec<String> {
        match self.value(fact) {
            Some(Value::Object(members)) => {
                canonical::sorted(members).into_iter().map(|(subject, _)| subject.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn set_member(&mut self, fact: &str, subject: &str, value: Value) {
        let values = owned(&mut self.values);
        let set = values.get_or_insert(fact, || Value::Object(serde_json::Map::new()));
        if let Value::Object(members) = Arc::make_mut(set) {
            members.insert(subject.to_owned(), value);
            self.lineage.change(fact, Some(subject));
        }
    }

    pub(crate) fn remove_member(&mut self, fact: &str, subject: &str) {
        if self.values().has(fact)
            && let Some(Value::Object(members)) = owned(&mut self.values).get_mut(fact).map(Arc::make_mut)
        {
            members.remove(subject);
            self.lineage.change(fact, Some(subject));
        }
    }
}

impl From<Values> for Facts {
    fn from(values: Values) -> Self {
        Self { values: (!values.is_empty()).then(|| Arc::new(values)), ..Self::default() }
    }
}

/// A value of which there is no other copy, to be changed.
fn owned(values: &mut Option<Arc<Values>>) -> &mut Values {
    Arc::make_mut(values.get_or_insert_default())
}

impl FromIterator<(String, Value)> for Facts {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(facts: I) -> Self {
        Self::from(facts.into_iter().collect::<Values>())
    }
}

/// A set that was decoded before, with the members as they are recorded now. None if it has to be decoded anew: somebody still has it, or a member
/// does not decode, which is for the whole set's error to say.
fn brought_up<S, T>(
    mut members: Arc<BTreeMap<S, T>>,
    changed: &[String],
    recorded: &serde_json::Map<String, Value>,
) -> Option<Arc<BTreeMap<S, T>>>
where
    S: DeserializeOwned + Ord,
    T: DeserializeOwned,
{
    if !changed.is_empty() {
        let members = Arc::get_mut(&mut members)?;
        for text in changed {
            let subject: S = subject_value(text).ok()?;
            match recorded.get(text) {
                Some(made) => drop(members.insert(subject, T::deserialize(made).ok()?)),
                None => drop(members.remove(&subject)),
            }
        }
    }
    // Two texts of one subject can only come from somebody else.
    (members.len() == recorded.len()).then_some(members)
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
        Some(path) if path.is_empty() => Err(lossy("it reads back as another value".to_owned())),
        Some(path) => Err(lossy(format!("`{path}` reads back as another value"))),
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
        assert_eq!(why, "`id` reads back as another value");
        let hidden = Hidden { id: "a".to_owned() };
        assert_eq!(hidden.id, "a");
        let FactError::Lossy { why, .. } = written(&hidden).unwrap_err() else { panic!("it is written") };
        assert_eq!(why, "missing field `id`");
        let set = |numbers: Vec<u32>| written(&numbers.into_iter().collect::<std::collections::HashSet<_>>()).unwrap();
        assert_eq!(set((0..50).collect()), set((0..50).rev().collect()));
    }

    fn wide(count: usize) -> Facts {
        let mut facts = Facts::default();
        facts.set("note", "first".into());
        (0..count).for_each(|number| facts.set_member("members", &format!("{number:03}"), number.into()));
        facts
    }

    /// What is decoded of a set that was changed is what a record with the same bytes gives.
    #[test]
    fn a_set_that_is_kept_decoded_is_the_one_that_is_recorded() {
        let mut facts = wide(20);
        let read = |facts: &Facts| facts.each::<String, usize>("members");
        let afresh = |facts: &Facts| {
            let bytes = serde_json::to_vec(facts).unwrap();
            read(&serde_json::from_slice(&bytes).unwrap())
        };
        let first = read(&facts).unwrap();
        assert_eq!(first.len(), 20);
        let mut other = facts.clone();
        other.set_member("members", "777", 777.into());
        facts.set_member("members", "020", 20.into());
        facts.set_member("members", "003", 333.into());
        facts.remove_member("members", "007");
        for facts in [&facts, &other, &facts] {
            assert_eq!(read(facts), afresh(facts));
        }
        assert_eq!(first.len(), 20, "an earlier clone of the set is unchanged");
        drop(first);
        for number in 100..200 {
            facts.set_member("members", &number.to_string(), number.into());
            if number % 7 == 0 {
                assert_eq!(read(&facts), afresh(&facts));
            }
        }
        assert_eq!(read(&facts), afresh(&facts), "also after more changes than are known");
        facts.set_member("members", "004", "four".into());
        assert_eq!(read(&facts), afresh(&facts));
        assert!(read(&facts).unwrap_err().to_string().contains("fact `members` does not decode"));
        facts.set("members", serde_json::json!({ "a": 1 }));
        assert_eq!(read(&facts), afresh(&facts));
    }

    #[test]
    fn facts_tell_what_has_changed_since() {
        let mut facts = wide(2);
        let mark = facts.mark();
        assert_eq!(facts.since(&mark), Some(Vec::new()));
        let copy = facts.clone();
        facts.set_member("members", "a", 1.into());
        facts.set("note", "second".into());
        facts.remove("absent");
        let mut changes = facts.since(&mark).unwrap();
        changes.sort_by_key(|change| change.fact.clone());
        let names: Vec<_> = changes.iter().map(|it| (it.fact.as_str(), it.subject.as_deref())).collect();
        assert_eq!(names, [("members", Some("a")), ("note", None)]);
        assert_eq!(copy.since(&mark), Some(Vec::new()), "the other is as it was");
        assert_eq!(copy.since(&facts.mark()), None, "nothing leads back");
        assert_eq!(wide(2).since(&mark), None, "other facts");
        (0..100).for_each(|number| facts.set_member("members", "a", number.into()));
        assert_eq!(facts.since(&mark), None, "it is too long ago");
    }

    #[test]
    fn facts_tell_which_sets_were_looked_into() {
        let (facts, watch) = wide(3).watched();
        let few = facts.each::<String, usize>("members").unwrap();
        let absent = facts.each::<String, usize>("absent").unwrap();
        let _: String = facts.get("note").unwrap();
        assert_eq!(watch.seen(), ["note"], "a set that is only carried along was not looked into");
        assert_eq!(few.clone().len(), 3);
        assert!(absent.is_empty());
        let mut seen = watch.seen();
        seen.sort();
        assert_eq!(seen, ["absent", "members", "note"]);
    }
}
