//! The homeserver's rooms. Invariant: a room has no transaction id, so every `createRoom` makes another one.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::homeserver::{Answer, HalfRoom, Room, Shared, error, in_room, lock, ok, text};

/// What it takes to kick somebody who has less.
const MODERATOR: i64 = 50;

pub(super) async fn create_room(State(state): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Answer {
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

pub(super) async fn joined_rooms(State(state): State<Shared>, headers: HeaderMap) -> Answer {
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

pub(super) async fn resolve(State(state): State<Shared>, Path(alias): Path<String>) -> Answer {
    match lock(&state).aliases.get(&alias) {
        Some(room) => ok(json!({ "room_id": room })),
        None => error(404, "M_NOT_FOUND", "Room alias not found"),
    }
}

pub(super) async fn delete_alias(State(state): State<Shared>, headers: HeaderMap, Path(alias): Path<String>) -> Answer {
    let mut server = lock(&state);
    if let Err(answer) = server.user(&headers) {
        return answer;
    }
    match server.aliases.remove(&alias) {
        Some(_) => ok(json!({})),
        None => error(404, "M_NOT_FOUND", "Unknown room alias"),
    }
}

pub(super) async fn join(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
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

pub(super) async fn leave(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
    in_room(&state, &headers, &room, |it, user| {
        it.members.remove(&user);
        ok(json!({}))
    })
}

pub(super) async fn kick(
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

pub(super) async fn members(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
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

pub(super) async fn all_state(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
    in_room(&state, &headers, &room, |it, _| {
        let event = |(kind, content): (&String, &Value)| json!({ "type": kind, "state_key": "", "sender": it.senders.get(kind), "content": content });
        ok(it.state.iter().map(event).collect())
    })
}

pub(super) async fn read_state(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path((room, kind)): Path<(String, String)>,
) -> Answer {
    in_room(&state, &headers, &room, |it, _| match it.state.get(&kind) {
        Some(content) => ok(content.clone()),
        None => error(404, "M_NOT_FOUND", "Event not found."),
    })
}

pub(super) async fn write_state(
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

pub(super) async fn admin_rooms(State(state): State<Shared>) -> Answer {
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
