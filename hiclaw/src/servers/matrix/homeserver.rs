//! What the homeserver knows. Invariant: every answer is made from this state, under its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// The half of a room that a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfRoom {
    /// The room, and no alias: Tuwunel writes the alias last.
    WithoutAlias,
    /// The alias, and no room: Synapse writes it first.
    AliasOnly,
}

pub(super) type Shared = Arc<Mutex<Homeserver>>;
pub(super) type Answer = (StatusCode, Json<Value>);

#[derive(Default)]
pub(super) struct Homeserver {
    pub(super) domain: String,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) tokens: BTreeMap<String, String>,
    /// The sessions of registrations, and whether the token was given.
    pub(super) sessions: BTreeMap<String, bool>,
    pub(super) rooms: BTreeMap<String, Room>,
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) counter: u64,
    pub(super) crash: Option<HalfRoom>,
    pub(super) crashed: u32,
}

#[derive(Default)]
pub(super) struct Account {
    pub(super) password: String,
    pub(super) display_name: String,
    pub(super) deactivated: bool,
}

#[derive(Default)]
pub(super) struct Room {
    pub(super) creator: String,
    pub(super) name: String,
    pub(super) members: BTreeSet<String>,
    pub(super) invited: BTreeSet<String>,
    pub(super) state: BTreeMap<String, Value>,
    /// Who has set what.
    pub(super) senders: BTreeMap<String, String>,
    pub(super) levels: BTreeMap<String, i64>,
}

impl Room {
    pub(super) fn level(&self, user: &str) -> i64 {
        self.levels.get(user).copied().unwrap_or_default()
    }

    /// Invites somebody; the manager comes at once.
    pub(super) fn invite(&mut self, user: &str) {
        if user.starts_with(&format!("@{MANAGER}:")) {
            self.members.insert(user.to_owned())
        } else {
            self.invited.insert(user.to_owned())
        };
    }

    pub(super) fn set(&mut self, sender: &str, kind: &str, content: Value) {
        self.state.insert(kind.to_owned(), content);
        self.senders.insert(kind.to_owned(), sender.to_owned());
    }
}

/// Joins every room to which it is invited.
pub(super) const MANAGER: &str = "manager";

pub(super) fn lock(state: &Shared) -> MutexGuard<'_, Homeserver> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn error(status: u16, code: &str, text: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "errcode": code, "error": text })))
}

pub(super) fn ok(value: Value) -> Answer {
    (StatusCode::OK, Json(value))
}

pub(super) fn text<'v>(body: &'v Value, key: &str) -> &'v str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Homeserver {
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn new_token(&mut self, user: &str) -> String {
        let token = format!("syt_{}_{}", user.trim_start_matches('@').replace(':', "_"), self.next());
        self.tokens.insert(token.clone(), user.to_owned());
        token
    }

    pub(super) fn user(&self, headers: &HeaderMap) -> Result<String, Answer> {
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        self.tokens.get(token).cloned().ok_or_else(|| error(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))
    }
}

/// Does something in a room that exists, as the user of the request.
pub(super) fn in_room(
    state: &Shared,
    headers: &HeaderMap,
    id: &str,
    work: impl FnOnce(&mut Room, String) -> Answer,
) -> Answer {
    let mut server = lock(state);
    let user = match server.user(headers) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    match server.rooms.get_mut(id) {
        Some(room) => work(room, user),
        None => error(
            404,
            "M_UNKNOWN",
            "Can't join remote room because no servers that are in the room have been provided.",
        ),
    }
}
