//! A Matrix homeserver, as Synapse answers. An account's name is taken forever; a room has no transaction id, so every `createRoom` makes
//! another room; and a crash inside it leaves half of one.

mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::listener::{Calls, Listener};
use crate::office::ADMIN_PASSWORD;

/// The half of a room that a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfRoom {
    /// The room, and no alias: Tuwunel writes the alias last.
    WithoutAlias,
    /// The alias, and no room: Synapse writes it first.
    AliasOnly,
}

/// The homeserver.
pub struct Matrix {
    pub(crate) listener: Listener,
    state: Shared,
}

type Shared = Arc<Mutex<Homeserver>>;
type Answer = (StatusCode, Json<Value>);

#[derive(Default)]
struct Homeserver {
    domain: String,
    accounts: BTreeMap<String, Account>,
    tokens: BTreeMap<String, String>,
    /// The sessions of registrations, and whether the token was given.
    sessions: BTreeMap<String, bool>,
    rooms: BTreeMap<String, Room>,
    aliases: BTreeMap<String, String>,
    counter: u64,
    crash: Option<HalfRoom>,
    crashed: u32,
}

#[derive(Default)]
struct Account {
    password: String,
    display_name: String,
    deactivated: bool,
}

#[derive(Default)]
struct Room {
    creator: String,
    name: String,
    members: BTreeSet<String>,
    invited: BTreeSet<String>,
    state: BTreeMap<String, Value>,
    /// Who has set what.
    senders: BTreeMap<String, String>,
    levels: BTreeMap<String, i64>,
}

impl Room {
    fn level(&self, user: &str) -> i64 {
        self.levels.get(user).copied().unwrap_or_default()
    }

    /// Invites somebody; the manager comes at once.
    fn invite(&mut self, user: &str) {
        if user.starts_with(&format!("@{MANAGER}:")) {
            self.members.insert(user.to_owned())
        } else {
            self.invited.insert(user.to_owned())
        };
    }

    fn set(&mut self, sender: &str, kind: &str, content: Value) {
        self.state.insert(kind.to_owned(), content);
        self.senders.insert(kind.to_owned(), sender.to_owned());
    }
}

const TOKEN: &str = "registration-token";
/// Joins every room to which it is invited.
const MANAGER: &str = "manager";
/// What it takes to kick somebody who has less.
const MODERATOR: i64 = 50;

impl Matrix {
    pub(super) async fn start(calls: &Calls, domain: &str) -> std::io::Result<Self> {
        let mut server = Homeserver { domain: domain.to_owned(), ..Homeserver::default() };
        for (name, password) in [("admin", ADMIN_PASSWORD), (MANAGER, "manager-password")] {
            let account = Account { password: password.to_owned(), ..Account::default() };
            server.accounts.insert(format!("@{name}:{domain}"), account);
        }
        let state = Shared::new(Mutex::new(server));
        let router = Router::new()
            .route("/_matrix/client/v3/register", post(register))
            .route("/_matrix/client/v3/register/available", get(people::available))
            .route("/_matrix/client/v3/login", post(login))
            .route("/_matrix/client/v3/account/whoami", get(people::whoami))
            .route("/_matrix/client/v3/logout/all", post(people::sign_out))
            .route("/_matrix/client/v3/profile/{user}/displayname", put(people::set_display_name))
            .route("/_matrix/client/v3/createRoom", post(create_room))
            .route("/_matrix/client/v3/joined_rooms", get(joined_rooms))
            .route("/_matrix/client/v3/directory/room/{alias}", get(resolve).delete(delete_alias))
            .route("/_matrix/client/v3/rooms/{room}/join", post(join))
            .route("/_matrix/client/v3/rooms/{room}/invite", post(people::invite))
            .route("/_matrix/client/v3/rooms/{room}/leave", post(leave))
            .route("/_matrix/client/v3/rooms/{room}/kick", post(kick))
            .route("/_matrix/client/v3/rooms/{room}/members", get(members))
            .route("/_matrix/client/v3/rooms/{room}/aliases", get(people::aliases))
            .route("/_matrix/client/v3/rooms/{room}/state", get(all_state))
            .route("/_matrix/client/v3/rooms/{room}/state/{kind}/", get(read_state))
            .route("/_matrix/client/v3/rooms/{room}/state/{kind}", put(write_state).get(read_state))
            .route("/_synapse/admin/v1/rooms", get(admin_rooms))
            .route("/_synapse/admin/v1/rooms/{room}/members", get(people::members_of))
            .route("/_synapse/admin/v2/users", get(admin_users))
            .route("/_synapse/admin/v2/users/{user}/devices", get(people::devices))
            .route("/_synapse/admin/v2/users/{user}/delete_devices", post(people::delete_devices))
            .with_state(state.clone());
        Ok(Self { listener: Listener::start("matrix", calls, router).await?, state })
    }

    /// Changes a user's password, as the person may do in their client. False if there is no such account.
    #[must_use]
    pub fn change_password(&self, user: &str, password: &str) -> bool {
        let mut server = lock(&self.state);
        server.accounts.get_mut(user).map(|account| password.clone_into(&mut account.password)).is_some()
    }

    /// Lets the next `createRoom` crash half-way, and answer nothing that a client could use.
    pub fn crash_in_create_room(&self, half: HalfRoom) {
        lock(&self.state).crash = Some(half);
    }

    /// How often it has crashed.
    #[must_use]
    pub fn crashes(&self) -> u32 {
        lock(&self.state).crashed
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, Homeserver> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn error(status: u16, code: &str, text: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "errcode": code, "error": text })))
}

fn ok(value: Value) -> Answer {
    (StatusCode::OK, Json(value))
}

fn text<'v>(body: &'v Value, key: &str) -> &'v str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Homeserver {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn new_token(&mut self, user: &str) -> String {
        let token = format!("syt_{}_{}", user.trim_start_matches('@').replace(':', "_"), self.next());
        self.tokens.insert(token.clone(), user.to_owned());
        token
    }

    fn user(&self, headers: &HeaderMap) -> Result<String, Answer> {
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        self.tokens.get(token).cloned().ok_or_else(|| error(401, "M_UNKNOWN_TOKEN", "Invalid access token passed."))
    }
}

async fn register(State(state): State<Shared>, Json(body): Json<Value>) -> Answer {
    let mut server = lock(&state);
    let name = text(&body, "username").to_owned();
    let user = format!("@{name}:{}", server.domain);
    if server.accounts.contains_key(&user) {
        return error(400, "M_USER_IN_USE", "User ID already taken.");
    }
    let auth = body.get("auth").cloned().unwrap_or_default();
    let session = match text(&auth, "session") {
        "" => format!("session{}", server.next()),
        session => session.to_owned(),
    };
    let token_given = server.sessions.entry(session.clone()).or_default();
    let asked = |completed: Value| {
        let flows = json!([{ "stages": ["m.login.registration_token", "m.login.dummy"] }]);
        json!({ "session": session, "flows": flows, "params": {}, "completed": completed })
    };
    match text(&auth, "type") {
        "m.login.dummy" if *token_given => {}
        "m.login.registration_token" if text(&auth, "token") == TOKEN => {
            *token_given = true;
            return (StatusCode::UNAUTHORIZED, Json(asked(json!(["m.login.registration_token"]))));
        }
        "m.login.registration_token" => {
            let mut refused = asked(json!([]));
            refused["errcode"] = json!("M_UNAUTHORIZED");
            refused["error"] = json!("Invalid registration token");
            return (StatusCode::UNAUTHORIZED, Json(refused));
        }
        _ => return (StatusCode::UNAUTHORIZED, Json(asked(json!([])))),
    }
    server
        .accounts
        .insert(user.clone(), Account { password: text(&body, "password").to_owned(), ..Account::default() });
    let token = server.new_token(&user);
    ok(json!({ "user_id": user, "access_token": token, "device_id": "D" }))
}

async fn login(State(state): State<Shared>, Json(body): Json<Value>) -> Answer {
    let mut server = lock(&state);
    let name = body.pointer("/identifier/user").and_then(Value::as_str).unwrap_or_default();
    let user = if name.starts_with('@') { name.to_owned() } else { format!("@{name}:{}", server.domain) };
    match server.accounts.get(&user) {
        Some(account) if !account.deactivated && account.password == text(&body, "password") => {
            let token = server.new_token(&user);
            ok(json!({ "user_id": user, "access_token": token, "device_id": "D" }))
        }
        _ => error(403, "M_FORBIDDEN", "Invalid username or password"),
    }
}

async fn create_room(State(state): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Answer {
    let mut server = lock(&state);
    let user = match server.user(&headers) {
        Ok(user) => user,
        Err(answer) => return answer,
    };
    let alias = body.get("room_alias_name").and_then(Value::as_str).map(|name| format!("#{name}:{}", server.domain));
    if alias.as_ref().is_some_and(|alias| server.aliases.contains_key(alias)) {
        return error(400, "M_ROOM_IN_USE", "Room alias already taken");
    }
    let id = format!("!room{}:{}", server.next(), server.domain);
    let crash = server.crash.take();
    if crash != Some(HalfRoom::AliasOnly) {
        let mut room = Room { creator: user.clone(), name: text(&body, "name").to_owned(), ..Room::default() };
        room.members.insert(user.clone());
        room.levels.insert(user.clone(), 100);
        room.set(&user, "m.room.create", json!({ "creator": user }));
        room.set(&user, "m.room.power_levels", json!({}));
        room.set(&user, "m.room.name", json!({ "name": text(&body, "name") }));
        let invited = body.get("invite").and_then(Value::as_array).cloned().unwrap_or_default();
        for guest in invited.iter().filter_map(Value::as_str) {
            if text(&body, "preset") == "trusted_private_chat" {
                room.levels.insert(guest.to_owned(), 100);
            }
            room.invite(guest);
        }
        for event in body.get("initial_state").and_then(Value::as_array).into_iter().flatten() {
            room.set(&user, text(event, "type"), event.get("content").cloned().unwrap_or_default());
        }
        server.rooms.insert(id.clone(), room);
    }
    if let Some(alias) = alias.filter(|_| crash != Some(HalfRoom::WithoutAlias)) {
        server.aliases.insert(alias, id.clone());
    }
    if crash.is_some() {
        server.crashed += 1;
        return error(502, "M_UNKNOWN", "upstream closed the connection");
    }
    ok(json!({ "room_id": id }))
}

async fn joined_rooms(State(state): State<Shared>, headers: HeaderMap) -> Answer {
    let server = lock(&state);
    match server.user(&headers) {
        Ok(user) => {
            let joined: Vec<_> =
                server.rooms.iter().filter(|(_, room)| room.members.contains(&user)).map(|(id, _)| id).collect();
            ok(json!({ "joined_rooms": joined }))
        }
        Err(answer) => answer,
    }
}

async fn resolve(State(state): State<Shared>, Path(alias): Path<String>) -> Answer {
    match lock(&state).aliases.get(&alias) {
        Some(room) => ok(json!({ "room_id": room })),
        None => error(404, "M_NOT_FOUND", "Room alias not found"),
    }
}

async fn delete_alias(State(state): State<Shared>, headers: HeaderMap, Path(alias): Path<String>) -> Answer {
    let mut server = lock(&state);
    if let Err(answer) = server.user(&headers) {
        return answer;
    }
    match server.aliases.remove(&alias) {
        Some(_) => ok(json!({})),
        None => error(404, "M_NOT_FOUND", "Unknown room alias"),
    }
}

/// Does something in a room that exists, as the user of the request.
fn in_room(state: &Shared, headers: &HeaderMap, id: &str, work: impl FnOnce(&mut Room, String) -> Answer) -> Answer {
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

async fn join(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
    in_room(&state, &headers, &room.clone(), |it, user| {
        if it.invited.contains(&user) || it.members.contains(&user) {
            it.invited.remove(&user);
            it.members.insert(user);
            ok(json!({ "room_id": room }))
        } else {
            error(403, "M_FORBIDDEN", "You are not invited to this room.")
        }
    })
}

async fn leave(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
    in_room(&state, &headers, &room, |it, user| {
        it.members.remove(&user);
        ok(json!({}))
    })
}

async fn kick(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path(room): Path<String>,
    Json(body): Json<Value>,
) -> Answer {
    in_room(&state, &headers, &room, |it, user| {
        let target = text(&body, "user_id");
        if it.level(&user) < MODERATOR || it.level(&user) <= it.level(target) {
            return error(403, "M_FORBIDDEN", &format!("You cannot kick user {target}."));
        }
        if it.members.remove(target) || it.invited.remove(target) {
            ok(json!({}))
        } else {
            error(403, "M_FORBIDDEN", "The target user is not in the room")
        }
    })
}

async fn members(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
    in_room(&state, &headers, &room, |it, user| {
        if !it.members.contains(&user) {
            return error(403, "M_FORBIDDEN", "You aren't a member of the room");
        }
        let of = |users: &BTreeSet<String>, membership: &str| {
            users
                .iter()
                .map(|user| json!({ "state_key": user, "content": { "membership": membership } }))
                .collect::<Vec<_>>()
        };
        let chunk = [of(&it.members, "join"), of(&it.invited, "invite")].concat();
        ok(json!({ "chunk": chunk }))
    })
}

async fn all_state(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
    in_room(&state, &headers, &room, |it, _| {
        let event = |(kind, content): (&String, &Value)| json!({ "type": kind, "state_key": "", "sender": it.senders.get(kind), "content": content });
        ok(it.state.iter().map(event).collect())
    })
}

async fn read_state(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path((room, kind)): Path<(String, String)>,
) -> Answer {
    in_room(&state, &headers, &room, |it, _| match it.state.get(&kind) {
        Some(content) => ok(content.clone()),
        None => error(404, "M_NOT_FOUND", "Event not found."),
    })
}

async fn write_state(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path((room, kind)): Path<(String, String)>,
    Json(content): Json<Value>,
) -> Answer {
    in_room(&state, &headers, &room, |it, user| {
        it.set(&user, &kind, content);
        ok(json!({ "event_id": "$event" }))
    })
}

async fn admin_rooms(State(state): State<Shared>) -> Answer {
    let server = lock(&state);
    let rooms: Vec<_> = server
        .rooms
        .iter()
        .filter(|(_, room)| !room.members.is_empty())
        .map(|(id, room)| {
            let alias = server.aliases.iter().find(|(_, target)| *target == id).map(|(alias, _)| alias);
            json!({ "room_id": id, "name": room.name, "creator": room.creator, "canonical_alias": alias, "joined_members": room.members.len() })
        })
        .collect();
    let dangling: Vec<_> =
        server.aliases.iter().filter(|(_, room)| !server.rooms.contains_key(*room)).map(|(alias, _)| alias).collect();
    ok(json!({ "rooms": rooms, "total_rooms": rooms.len(), "dangling_aliases": dangling }))
}

async fn admin_users(State(state): State<Shared>) -> Answer {
    let server = lock(&state);
    let users: Vec<_> = server
        .accounts
        .iter()
        .map(|(user, it)| json!({ "name": user, "displayname": it.display_name, "deactivated": it.deactivated }))
        .collect();
    ok(json!({ "users": users, "total": users.len() }))
}
