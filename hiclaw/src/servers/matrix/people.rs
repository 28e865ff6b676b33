//! What concerns one person: whether a name is free, how they are called, and who is invited where.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{Answer, Shared, error, in_room, lock, ok, text};

#[derive(serde::Deserialize)]
pub(super) struct Wanted {
    username: String,
}

pub(super) async fn available(State(state): State<Shared>, Query(wanted): Query<Wanted>) -> Answer {
    let server = lock(&state);
    match server.accounts.contains_key(&format!("@{}:{}", wanted.username, server.domain)) {
        true => error(400, "M_USER_IN_USE", "User ID already taken."),
        false => ok(json!({ "available": true })),
    }
}

pub(super) async fn set_display_name(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path(user): Path<String>,
    Json(body): Json<Value>,
) -> Answer {
    let mut server = lock(&state);
    match server.user(&headers) {
        Ok(caller) if caller == user => {}
        Ok(_) => return error(403, "M_FORBIDDEN", "Cannot set another user's displayname"),
        Err(answer) => return answer,
    }
    if let Some(account) = server.accounts.get_mut(&user) {
        text(&body, "displayname").clone_into(&mut account.display_name);
    }
    ok(json!({}))
}

pub(super) async fn invite(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path(room): Path<String>,
    Json(body): Json<Value>,
) -> Answer {
    in_room(&state, &headers, &room, |it, caller| {
        let target = text(&body, "user_id");
        if !it.members.contains(&caller) {
            return error(403, "M_FORBIDDEN", "You aren't a member of the room");
        }
        if it.members.contains(target) {
            return error(403, "M_FORBIDDEN", &format!("{target} is already in the room."));
        }
        it.invited.insert(target.to_owned());
        ok(json!({}))
    })
}

/// Everybody in a room, as the administrator sees it: whoever is only invited is not in it.
pub(super) async fn members_of(State(state): State<Shared>, Path(room): Path<String>) -> Answer {
    match lock(&state).rooms.get(&room) {
        Some(it) => ok(json!({ "members": it.members, "total": it.members.len() })),
        None => error(404, "M_NOT_FOUND", "Room not found"),
    }
}
