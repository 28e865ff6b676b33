//! What one server keeps, behind its lock.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use crate::content::{Content, Key};
use crate::kind::Kind;
use crate::request::{Request, Seen, Verb};
use crate::write::Write;

/// The place of the built-in kind `Namespace`.
pub(crate) const NAMESPACES: usize = 0;
/// When every server is made, as its timestamps tell it: 2026-01-01T00:00:00Z.
const EPOCH: i64 = 1_767_225_600;

pub(crate) struct State {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) content: Content,
    pub(crate) requests: u64,
    pub(crate) started: Instant,
    /// How old the server already was when it was made from a snapshot.
    pub(crate) age: Duration,
    pub(crate) late: Vec<(Option<u64>, Request)>,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) disconnects: u64,
    pub(crate) expiries: u64,
}

impl State {
    /// Numbers a request that has just arrived.
    pub(crate) fn arrive(&mut self, request: &mut Request) -> Seen {
        request.sequence = self.requests;
        self.requests += 1;
        Seen {
            sequence: request.sequence,
            client: request.client.clone(),
            verb: request.verb,
            kind: self.names[request.address.kind].clone(),
            namespace: request.address.namespace.clone(),
            name: request.address.name.clone(),
            subresource: request.address.subresource.clone(),
            body: request.body.clone(),
            version: self.content.version(),
            at: self.now(),
        }
    }

    /// Stores an object, or removes it, and returns what is now there or what was there last.
    pub(crate) fn commit(&mut self, request: &Request, key: Key, after: Option<Value>) -> Arc<Value> {
        let subresource = request.address.subresource.clone();
        let write = self.write_of(request.verb, &key, &request.client, request.sequence, subresource);
        let write = self.content.commit(key, after, write);
        write.after.clone().or_else(|| write.before.clone()).unwrap_or_default()
    }

    pub(crate) fn write_of(
        &self,
        verb: Verb,
        key: &Key,
        client: &str,
        request: u64,
        subresource: Option<String>,
    ) -> Write {
        Write {
            version: 0,
            request,
            client: client.into(),
            verb,
            kind: self.names[key.kind].clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            subresource,
            before: None,
            after: None,
            at: self.now(),
        }
    }

    /// How old the server is.
    pub(crate) fn now(&self) -> Duration {
        self.age + self.started.elapsed()
    }

    /// The time as objects tell it, in whole seconds.
    pub(crate) fn timestamp(&self) -> String {
        let seconds = i64::try_from(self.now().as_secs()).unwrap_or_default();
        let epoch = Timestamp::from_second(EPOCH).unwrap_or_default();
        (epoch + SignedDuration::from_secs(seconds)).to_string()
    }

    pub(crate) fn wake_later(&mut self, waker: &Waker) {
        self.wakers.retain(|it| !it.will_wake(waker));
        self.wakers.push(waker.clone());
    }

    pub(crate) fn kind_named(&self, name: &str) -> usize {
        let found = self.names.iter().position(|it| **it == *name);
        found.unwrap_or_else(|| panic!("the memory server has no kind {name}; it has {:?}", self.names))
    }
}
