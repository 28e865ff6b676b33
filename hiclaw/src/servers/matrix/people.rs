//! The homeserver's accounts, and what concerns one person: names, tokens, devices, invitations. Invariant: an account's name is taken forever.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::homeserver::{Account, Answer, Shared, error, in_room, lock, ok, text};

const TOKEN: &str = "registration-token";

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
        it.invite(target);
        ok(json!({}))
    })
}

/// Everybody in a room, as the administrator sees it: people who are only invited are not listed.
pub(super) async fn members_of(State(state): State<Shared>, Path(room): Path<String>) -> Answer {
    match lock(&state).rooms.get(&room) {
        Some(it) => ok(json!({ "members": it.members, "total": it.members.len() })),
        None => error(404, "M_NOT_FOUND", "Room not found"),
    }
}

pub(super) async fn whoami(State(state): State<Shared>, headers: HeaderMap) -> Answer {
    lock(&state).user(&headers).map_or_else(|answer| answer, |user| ok(json!({ "user_id": user })))
}

pub(super) async fn sign_out(State(state): State<Shared>, headers: HeaderMap) -> Answer {
    let mut server = lock(&state);
    match server.user(&headers) {
        Ok(user) => {
            server.tokens.retain(|_, its| *its != user);
            ok(json!({}))
        }
        Err(answer) => answer,
    }
}

/// Each token is a device.
pub(super) async fn devices(State(state): State<Shared>, Path(user): Path<String>) -> Answer {
    let server = lock(&state);
    let devices = server.tokens.iter().filter(|(_, its)| **its == user);
    let devices: Vec<_> = devices.map(|(token, _)| json!({ "device_id": token })).collect();
    ok(json!({ "devices": devices, "total": devices.len() }))
}

pub(super) async fn delete_devices(
    State(state): State<Shared>,
    Path(user): Path<String>,
    Json(body): Json<Value>,
) -> Answer {
    let named = |token: &String| {
        let devices = body.get("devices").and_then(Value::as_array).into_iter().flatten();
        devices.filter_map(Value::as_str).any(|it| it == token)
    };
    lock(&state).tokens.retain(|token, its| *its != user || !named(token));
    ok(json!({}))
}

pub(super) async fn aliases(State(state): State<Shared>, headers: HeaderMap, Path(room): Path<String>) -> Answer {
    let server = lock(&state);
    if let Err(answer) = server.user(&headers) {
        return answer;
    }
    let aliases: Vec<_> = server.aliases.iter().filter(|(_, its)| **its == room).map(|(alias, _)| alias).collect();
    ok(json!({ "aliases": aliases }))
}

pub(super) async fn register(State(state): State<Shared>, Json(body): Json<Value>) -> Answer {
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

pub(super) async fn login(State(state): State<Shared>, Json(body): Json<Value>) -> Answer {
    let mut server = lock(&state);
    let name = body.pointer("/identifier/user").and_then(Value::as_str).unwrap_or_default();
    let user = if name.starts_with('@') { name.to_owned() } else { format!("@{name}:{}", server.domain) };
    match server.accounts.get(&user) {
        Some(account) if !account.deactivated && account.password == text(&body, "password") => {
            let token = server.new_token(&user);
            ok(json!({ "user_id": user, "access_token": token, "device_id": "D" }))
        }
        Some(account) if account.deactivated => error(403, "M_USER_DEACTIVATED", "This account has been deactivated"),
        _ => error(403, "M_FORBIDDEN", "Invalid username or password"),
    }
}

pub(super) async fn admin_users(State(state): State<Shared>) -> Answer {
    let server = lock(&state);
    let users: Vec<_> = server
        .accounts
        .iter()
        .map(|(user, it)| json!({ "name": user, "displayname": it.display_name, "deactivated": it.deactivated }))
        .collect();
    ok(json!({ "users": users, "total": users.len() }))
}

/// Ends the account's sessions, and takes it out of its rooms. Its name stays taken.
pub(super) async fn deactivate(State(state): State<Shared>, headers: HeaderMap, Path(user): Path<String>) -> Answer {
    let mut server = lock(&state);
    if let Err(answer) = server.user(&headers) {
        return answer;
    }
    match server.accounts.get_mut(&user) {
        Some(account) => account.deactivated = true,
        None => return error(404, "M_NOT_FOUND", "User not found"),
    }
    server.tokens.retain(|_, of| *of != user);
    for room in server.rooms.values_mut() {
        room.members.remove(&user);
        room.invited.remove(&user);
    }
    ok(json!({ "id_server_unbind_result": "success" }))
}

/// Changes an account, as far as a controller needs it: it is active again, with another password.
pub(super) async fn change(
    State(state): State<Shared>,
    headers: HeaderMap,
    Path(user): Path<String>,
    Json(body): Json<Value>,
) -> Answer {
    let mut server = lock(&state);
    if let Err(answer) = server.user(&headers) {
        return answer;
    }
    let Some(account) = server.accounts.get_mut(&user) else { return error(404, "M_NOT_FOUND", "User not found") };
    if body.get("deactivated") == Some(&Value::Bool(false)) {
        account.deactivated = false;
    }
    if let Some(password) = body.get("password").and_then(Value::as_str) {
        password.clone_into(&mut account.password);
    }
    ok(json!({ "name": user }))
}
