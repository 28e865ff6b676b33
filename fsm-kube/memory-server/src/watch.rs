//! One watch: the changes of a kind, as they come.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Sleep;

use crate::content::{self, Key};
use crate::event::{EventType, SeenEvent};
use crate::fault::Delivery;
use crate::listing::parse_version;
use crate::metadata;
use crate::object;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::selector::Selector;
use crate::shared::Shared;
use crate::state::State;
use crate::write::Write;

/// An open watch. It is also the body of its answer.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    client: Arc<str>,
    number: u64,
    kind: usize,
    namespace: Option<String>,
    selector: Selector,
    metadata_only: bool,
    /// Everything up to this version has been looked at.
    cursor: u64,
    /// Lines that are to be delivered without a question.
    lines: VecDeque<Bytes>,
    /// Objects whose last event is held back, and whether the client knew them before.
    held: HashMap<Key, bool>,
    timeout: Option<Pin<Box<Sleep>>>,
    /// How many disconnections and expiries of all watches there had been when it began.
    disconnects: u64,
    expiries: u64,
    ended: bool,
}

impl Watch {
    pub(crate) fn open(shared: Arc<Shared>, state: &State, request: &Request) -> Result<Self, Refusal> {
        if request.query.get("sendInitialEvents").is_some() || request.query.get("resourceVersionMatch").is_some() {
            let field = "resourceVersionMatch";
            let list_options = crate::kind::Kind::new("meta.k8s.io", "v1", "ListOptions", "");
            let message = "resourceVersionMatch is forbidden for watch";
            return Err(metadata::invalid(&list_options, "", "FieldValueForbidden", field, message));
        }
        let mut watch = Self {
            shared,
            client: request.client.clone(),
            number: request.sequence,
            kind: request.address.kind,
            namespace: request.address.namespace.clone(),
            selector: Selector::new(&request.query)?,
            metadata_only: request.metadata_only,
            cursor: state.content.version(),
            lines: VecDeque::new(),
            held: HashMap::new(),
            timeout: None,
            disconnects: state.disconnects,
            expiries: state.expiries,
            ended: false,
        };
        let seconds = request.query.get("timeoutSeconds").and_then(|it| it.parse().ok());
        watch.timeout = seconds.map(|it| Box::pin(tokio::time::sleep(Duration::from_secs(it))));
        match request.query.get("resourceVersion").map(parse_version).transpose()? {
            None | Some(0) => {
                let objects = content::range(state.content.objects(), watch.kind, watch.namespace.as_deref(), None);
                let objects = objects.filter(|(_, object)| watch.selector.matches(object));
                let lines = objects.map(|(_, object)| watch.line(EventType::Added, object)).collect();
                watch.lines = lines;
            }
            Some(version) if version < state.content.oldest() => {
                watch.expire(&format!("too old resource version: {version} ({})", state.content.oldest()));
            }
            Some(version) => watch.cursor = version,
        }
        Ok(watch)
    }

    /// The next line; none at the end of the watch.
    pub(crate) fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Poll::Ready(Some(line));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let Some((key, write)) = self.next_write(context) else {
                if self.ended || !self.lines.is_empty() {
                    continue;
                }
                let is_over = self.timeout.as_mut().is_some_and(|it| it.as_mut().poll(context).is_ready());
                if is_over {
                    self.ended = true;
                    continue;
                }
                return Poll::Pending;
            };
            self.deliver(key, &write);
        }
    }

    /// The next write of the kind that the watch has not looked at. If there is none, the context is woken by the next one.
    fn next_write(&mut self, context: &Context<'_>) -> Option<(Key, Arc<Write>)> {
        let shared = self.shared.clone();
        let mut state = shared.state();
        if state.disconnects != self.disconnects {
            self.ended = true;
            return None;
        }
        if state.expiries != self.expiries {
            self.expire("The resourceVersion for the provided watch is too old.");
            return None;
        }
        while let Some((key, write)) = state.content.after(self.cursor) {
            self.cursor = write.version;
            if key.kind == self.kind && self.namespace.as_ref().is_none_or(|it| *it == key.namespace) {
                return Some((key.clone(), write.clone()));
            }
        }
        state.wake_later(context.waker());
        None
    }

    fn deliver(&mut self, key: Key, write: &Arc<Write>) {
        let is_mine = |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|it| self.selector.matches(it));
        let knew = self.held.get(&key).copied().unwrap_or_else(|| is_mine(&write.before));
        let event = match (knew, is_mine(&write.after)) {
            (false, false) => {
                self.held.remove(&key);
                return;
            }
            (false, true) => EventType::Added,
            (true, true) => EventType::Modified,
            (true, false) => EventType::Deleted,
        };
        let seen = SeenEvent { client: self.client.clone(), watch: self.number, event, write: write.clone() };
        match self.shared.delivery(&seen) {
            Delivery::Deliver => {
                let object = match (event, &write.before, &write.after) {
                    // The last state that the watch was about, at the version that ended it.
                    (EventType::Deleted, Some(before), _) => {
                        let mut object = (**before).clone();
                        object["metadata"]["resourceVersion"] = json!(write.version.to_string());
                        object
                    }
                    (_, _, Some(after)) => (**after).clone(),
                    (_, _, None) => return,
                };
                self.held.remove(&key);
                let line = self.line(event, &object);
                self.lines.push_back(line);
            }
            Delivery::Drop => {
                self.held.remove(&key);
            }
            Delivery::Merge => {
                self.held.insert(key, knew);
            }
            Delivery::Disconnect => self.ended = true,
            Delivery::Expire => self.expire("The resourceVersion for the provided watch is too old."),
        }
    }

    fn line(&self, event: EventType, object: &Value) -> Bytes {
        let object = if self.metadata_only { &object::metadata_only(object) } else { object };
        line(event.name(), object)
    }

    /// Says 410 and ends, as a server does whose history is too short.
    fn expire(&mut self, message: &str) {
        let refusal = Refusal { message: message.to_owned(), ..Refusal::expired() };
        self.lines.push_back(line("ERROR", &refusal.to_json()));
        self.ended = true;
    }
}

fn line(event: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": event, "object": object})).into()
}
