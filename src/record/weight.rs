//! What fills a record, and what of it can give way. Invariant: nothing that a rule of the protocol reads is ever left out.

use std::fmt;

use durable_fsm_graph::Graph;
use serde::Serialize;

use super::Record;

/// How many bytes of the store's limit a write leaves free that begins an effect going forward, so that there is room for the way back: its
/// intent, its errors and its messages.
pub const RESERVE: usize = 8 * 1024;

/// How long a text stays that has to give way, in bytes.
const SHORT: usize = 256;

/// A part of a record, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which part.
    pub kind: PartKind,
    /// Its bytes.
    pub bytes: usize,
    /// How many entries it has.
    pub entries: usize,
}

/// Which part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind {
    /// A fact that is no set.
    Fact(String),
    /// The members of a set.
    Members(String),
    /// The live effects and the marks, with what their undos need.
    Undo,
    /// Steps that were sent and are not committed, with their specs; the open intent is one of them.
    Unconfirmed,
    /// What was undone and is not quiet.
    Undone,
    /// Texts for people: history, errors, messages.
    Texts,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, bytes, entries } = self;
        match kind {
            PartKind::Fact(name) => write!(f, "fact `{name}` {bytes} bytes"),
            PartKind::Members(name) => write!(f, "the {entries} members of `{name}` {bytes} bytes"),
            PartKind::Undo => write!(f, "the undo list {bytes} bytes ({entries} entries)"),
            PartKind::Unconfirmed => write!(f, "unconfirmed steps {bytes} bytes ({entries} entries)"),
            PartKind::Undone => write!(f, "what was undone {bytes} bytes ({entries} entries)"),
            PartKind::Texts => write!(f, "history and messages {bytes} bytes"),
        }
    }
}

impl PartKind {
    /// What makes this part smaller.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            PartKind::Fact(_) => "record a reference to a large value, not the value",
            PartKind::Members(_) | PartKind::Undo => {
                "spread the members over several resources, or make each a resource of its own"
            }
            PartKind::Unconfirmed => "keep large values out of the spec, and mend what refuses these steps",
            PartKind::Undone | PartKind::Texts => "wait until what was undone is quiet",
        }
    }
}

fn bytes<T: Serialize + ?Sized>(part: &T) -> usize {
    serde_json::to_vec(part).map_or(0, |bytes| bytes.len())
}

impl Record {
    /// What fills this record, the largest part first. Parts that are empty are left out.
    #[must_use]
    pub fn weight(&self, graph: &Graph<'_>) -> Vec<Part> {
        let sets: Vec<&str> = graph.transitions.iter().filter_map(|step| Some(step.for_each()?.fact)).collect();
        let fact = |(name, value): (&str, &serde_json::Value)| {
            let (kind, entries) = if sets.contains(&name) {
                (PartKind::Members(name.to_owned()), self.facts.subjects(name).len())
            } else {
                (PartKind::Fact(name.to_owned()), 1)
            };
            Part { kind, bytes: name.len() + bytes(value), entries }
        };
        let texts = self.history.iter().map(String::as_str);
        let texts = texts.chain(self.retry.iter().map(|it| it.error.as_str()));
        let texts = texts.chain(self.retrying.iter().map(|it| it.retry.error.as_str()));
        let texts = texts.chain(self.held.iter().map(|it| it.message.as_str()));
        let texts: Vec<&str> = texts.chain(self.blocked.iter().map(|it| it.message.as_str())).collect();
        let unconfirmed = self.unconfirmed.len() + usize::from(self.intent.is_some());
        let mut parts: Vec<Part> = self.facts.iter().map(fact).collect();
        parts.extend([
            Part { kind: PartKind::Undo, bytes: bytes(&self.undo) + bytes(&self.marks), entries: self.undo.len() },
            Part {
                kind: PartKind::Unconfirmed,
                bytes: bytes(&self.unconfirmed) + bytes(&self.intent),
                entries: unconfirmed,
            },
            Part { kind: PartKind::Undone, bytes: bytes(&self.undone), entries: self.undone.len() },
            Part { kind: PartKind::Texts, bytes: bytes(&texts), entries: texts.len() },
        ]);
        parts.retain(|part| part.entries > 0);
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        parts
    }

    /// Gives way: what is there for people only is shortened. False if there was nothing of it.
    pub(crate) fn thin(&mut self) -> bool {
        let mut texts: Vec<&mut String> = Vec::new();
        texts.extend(self.retry.iter_mut().map(|it| &mut it.error));
        texts.extend(self.retrying.iter_mut().map(|it| &mut it.retry.error));
        texts.extend(self.held.iter_mut().map(|it| &mut it.message));
        texts.extend(self.blocked.iter_mut().map(|it| &mut it.message));
        let mut thinner = !self.history.is_empty();
        self.history.clear();
        for text in texts.into_iter().filter(|text| text.len() > SHORT) {
            let end = (0..=SHORT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
            text.push('…');
            thinner = true;
        }
        thinner
    }
}
