//! The homeserver's client.

use std::collections::BTreeMap;

use durable_fsm::Class;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::error::{ClientError, checked};
use super::urls::Urls;

/// A Matrix homeserver.
#[derive(Debug, Clone)]
pub struct Matrix {
    http: Client,
    base: String,
    admin_token: Option<String>,
}

/// A logged-in user.
#[derive(Clone)]
pub struct Session {
    /// The full user id.
    pub user_id: String,
    token: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// How an account came to be ours.
pub enum Registered {
    /// It was made now.
    New(Session),
    /// It was there, and our own password opens it.
    Ours(Session),
}

const MARKER: &str = "io.hiclaw.owner";

/// How many requests a registration takes, at most: one for each stage, and one that asks for them.
const STAGES: usize = 4;

impl Matrix {
    pub(super) fn new(http: Client, urls: &Urls) -> Self {
        let admin_token = urls.logins.matrix_admin_token.clone();
        Self { http, base: urls.matrix.trim_end_matches('/').to_owned(), admin_token }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/_matrix/client/v3/{path}", self.base)
    }

    async fn post(&self, path: &str, session: Option<&Session>, body: &Value) -> Result<Value, ClientError> {
        let mut request = self.http.post(self.url(path)).json(body);
        if let Some(session) = session {
            request = request.bearer_auth(&session.token);
        }
        Ok(checked("matrix", request.send().await?).await?.json().await?)
    }

    async fn get(&self, path: &str, session: &Session) -> Result<Value, ClientError> {
        let request = self.http.get(self.url(path)).bearer_auth(&session.token);
        Ok(checked("matrix", request.send().await?).await?.json().await?)
    }

    /// Registers an account, or opens the one that is there with our own password.
    ///
    /// # Errors
    /// [`ClientError::NotOurs`] if it is there and our password does not open it.
    pub async fn register(&self, name: &str, password: &str, token: &str) -> Result<Registered, ClientError> {
        let mut body = json!({ "username": name, "password": password });
        for _ in 0..STAGES {
            let response = self.http.post(self.url("register")).json(&body).send().await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                match checked("matrix", response).await {
                    Ok(made) => return Ok(Registered::New(Session::from(&made.json().await?))),
                    Err(error) if error.is(400, "M_USER_IN_USE") => return self.open(name, password).await,
                    Err(error) => return Err(error),
                }
            }
            // It wants stages passed, one with each request, and names the ones that were.
            body["auth"] = next_stage(&response.json().await?, token)?;
        }
        Err(refused("", "registration wants one stage after the other and never ends".to_owned()))
    }

    /// Opens the account that is there.
    async fn open(&self, name: &str, password: &str) -> Result<Registered, ClientError> {
        match self.login(name, password).await {
            Ok(session) => Ok(Registered::Ours(session)),
            Err(error) if error.is(403, "M_FORBIDDEN") => Err(ClientError::NotOurs(format!("the account {name}"))),
            Err(error) => Err(error),
        }
    }

    /// Logs in with a password.
    ///
    /// # Errors
    /// The server's, 403 if the password is wrong.
    pub async fn login(&self, name: &str, password: &str) -> Result<Session, ClientError> {
        self.login_as(name, password, None).await
    }

    /// Logs in with a password, as this device: one that is there is taken again.
    ///
    /// # Errors
    /// As for [`login`](Self::login).
    pub async fn login_as(&self, name: &str, password: &str, device: Option<&str>) -> Result<Session, ClientError> {
        let identifier = json!({ "type": "m.id.user", "user": name });
        let mut body = json!({ "type": "m.login.password", "identifier": identifier, "password": password });
        if let Some(device) = device {
            body["device_id"] = json!(device);
        }
        Ok(Session::from(&self.post("login", None, &body).await?))
    }

    /// Makes a room, and marks it as ours in the same call.
    ///
    /// # Errors
    /// The server's; 400 `M_ROOM_IN_USE` if the alias is taken.
    pub async fn create_room(&self, session: &Session, room: &NewRoom<'_>) -> Result<String, ClientError> {
        // A room of which nothing is said gives its guests the power of its maker.
        let mut body = json!({ "name": room.name, "preset": "trusted_private_chat", "invite": room.invite });
        if let Some(alias) = room.alias {
            body["room_alias_name"] = json!(alias);
        }
        if let Some(owner) = room.owner {
            body["initial_state"] = json!([{ "type": MARKER, "state_key": "", "content": { "owner": owner } }]);
            body["preset"] = json!("private_chat");
            // In later versions the maker must not stand in the power levels.
            body["room_version"] = json!("11");
            let half = 50;
            body["power_level_content_override"] = json!({
                "users": { &session.user_id: 100 }, "users_default": 0, "events_default": 0, "state_default": half,
                "invite": half, "kick": half, "ban": half, "redact": half,
            });
        }
        let answer = self.post("createRoom", Some(session), &body).await?;
        Ok(answer.get("room_id").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// The rooms of this user that carry this mark.
    ///
    /// # Errors
    /// The server's.
    pub async fn rooms_of(&self, session: &Session, owner: &str) -> Result<Vec<String>, ClientError> {
        let marked = self.marked_rooms(session).await?.into_iter();
        Ok(marked.filter(|(_, mark)| mark == owner).map(|(room, _)| room).collect())
    }

    /// The rooms of this user that carry a mark of ours, each with it.
    ///
    /// # Errors
    /// The server's.
    pub async fn marked_rooms(&self, session: &Session) -> Result<Vec<(String, String)>, ClientError> {
        let joined = self.get("joined_rooms", session).await?;
        let mut marked = Vec::new();
        for room in joined.get("joined_rooms").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            match self.get(&format!("rooms/{room}/state/{MARKER}"), session).await {
                Ok(content) => {
                    let mark = content.get("owner").and_then(Value::as_str).map(str::to_owned);
                    marked.extend(mark.map(|mark| (room.to_owned(), mark)));
                }
                Err(error) if error.is(404, "M_NOT_FOUND") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(marked)
    }

    /// The aliases of a room.
    ///
    /// # Errors
    /// The server's.
    pub async fn aliases(&self, session: &Session, room: &str) -> Result<Vec<String>, ClientError> {
        let answer = self.get(&format!("rooms/{room}/aliases"), session).await?;
        let aliases = answer.get("aliases").and_then(Value::as_array).into_iter().flatten();
        Ok(aliases.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The room behind an alias.
    ///
    /// # Errors
    /// The server's.
    pub async fn resolve(&self, session: &Session, alias: &str) -> Result<Option<String>, ClientError> {
        match self.get(&format!("directory/room/{}", encoded(alias)), session).await {
            Ok(answer) => Ok(answer.get("room_id").and_then(Value::as_str).map(str::to_owned)),
            Err(error) if error.is(404, "M_NOT_FOUND") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes an alias; one that is not there is removed.
    ///
    /// # Errors
    /// The server's.
    pub async fn delete_alias(&self, session: &Session, alias: &str) -> Result<(), ClientError> {
        let url = self.url(&format!("directory/room/{}", encoded(alias)));
        let response = self.http.delete(url).bearer_auth(&session.token).send().await?;
        match checked("matrix", response).await {
            Ok(_) => Ok(()),
            Err(error) if error.is(404, "M_NOT_FOUND") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Joins a room to which the user is invited.
    ///
    /// # Errors
    /// The server's.
    pub async fn join(&self, session: &Session, room: &str) -> Result<(), ClientError> {
        self.post(&format!("rooms/{room}/join"), Some(session), &json!({})).await.map(drop)
    }

    /// Puts everybody out of a room, the caller last. It is empty then.
    ///
    /// # Errors
    /// The server's; 403 if somebody has no less power than we.
    pub async fn empty_room(&self, session: &Session, room: &str) -> Result<(), ClientError> {
        // We are not in it any more: an earlier call has done this.
        let Some(members) = self.members(session, room).await? else { return Ok(()) };
        for user in members.keys().filter(|it| **it != session.user_id) {
            self.expel(session, room, user).await?;
        }
        self.leave(session, room).await
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// The server's.
    pub async fn leave(&self, session: &Session, room: &str) -> Result<(), ClientError> {
        self.post(&format!("rooms/{room}/leave"), Some(session), &json!({})).await.map(drop)
    }

    /// Who is in a room or invited to it, with the membership that each has; none if we are not in it, or it is empty.
    ///
    /// # Errors
    /// The server's.
    pub async fn members(
        &self,
        session: &Session,
        room: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ClientError> {
        let answer = match self.get(&format!("rooms/{room}/members"), session).await {
            Ok(answer) => answer,
            Err(error) if error.is(403, "M_FORBIDDEN") || error.is(404, "M_UNKNOWN") => return Ok(None),
            Err(error) => return Err(error),
        };
        let chunk = answer.get("chunk").and_then(Value::as_array).into_iter().flatten();
        let member = |event: &Value| {
            let membership = event.pointer("/content/membership")?.as_str()?;
            Some((event.get("state_key")?.as_str()?.to_owned(), membership.to_owned()))
        };
        // Those who have left are listed too.
        Ok(Some(chunk.filter_map(member).filter(|(_, it)| it != "leave").collect()))
    }

    /// Invites somebody who is neither in the room nor invited.
    ///
    /// # Errors
    /// The server's; 403 if we are not in the room, or they are banned from it.
    pub async fn invite(&self, session: &Session, room: &str, user: &str) -> Result<(), ClientError> {
        // The refusal of somebody who is there reads like that of somebody who is banned, and differs from server to server.
        let there = self.members(session, room).await?.and_then(|mut members| members.remove(user));
        if there.is_some_and(|membership| membership != "ban") {
            return Ok(());
        }
        self.post(&format!("rooms/{room}/invite"), Some(session), &json!({ "user_id": user })).await.map(drop)
    }

    /// Removes a person from a room, or withdraws their invitation. Nothing happens if the person is not in the room.
    ///
    /// # Errors
    /// The server's; 403 if they have no less power than we.
    pub async fn expel(&self, session: &Session, room: &str, user: &str) -> Result<(), ClientError> {
        let there = self.members(session, room).await?.and_then(|mut members| members.remove(user));
        if there.is_none_or(|membership| membership == "ban") {
            return Ok(());
        }
        match self.post(&format!("rooms/{room}/kick"), Some(session), &json!({ "user_id": user })).await {
            // They have left by themselves meanwhile, or the refusal is one.
            Err(error) if error.is(403, "M_FORBIDDEN") => {
                let still = self.members(session, room).await?.is_some_and(|members| members.contains_key(user));
                if still { Err(error) } else { Ok(()) }
            }
            answer => answer.map(drop),
        }
    }

    /// Whether the server knows the session.
    ///
    /// # Errors
    /// The server's, but for the one that says that it does not.
    pub async fn is_open(&self, session: &Session) -> Result<bool, ClientError> {
        match self.get("account/whoami", session).await {
            Ok(_) => Ok(true),
            Err(error) if error.is(401, "M_UNKNOWN_TOKEN") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends all sessions of the user, this one too.
    ///
    /// # Errors
    /// The server's.
    pub async fn sign_out(&self, session: &Session) -> Result<(), ClientError> {
        self.post("logout/all", Some(session), &json!({})).await.map(drop)
    }

    /// Ends all sessions of another user, as the server's administrator.
    ///
    /// # Errors
    /// The server's; 403 if the caller is no administrator of the server.
    pub async fn sign_out_other(&self, session: &Session, user: &str) -> Result<(), ClientError> {
        let devices = self.devices(session, user).await?;
        let url = format!("{}/_synapse/admin/v2/users/{}/delete_devices", self.base, encoded(user));
        let request = self.http.post(url).bearer_auth(&session.token).json(&json!({ "devices": devices }));
        checked("matrix", request.send().await?).await.map(drop)
    }

    /// Deactivates another user's account, as the server's administrator: its sessions end, and no password opens it. An account that is deactivated or
    /// was never there stays as it is. Gives whether the server can do this: a homeserver without Synapse's administration cannot.
    ///
    /// # Errors
    /// As for [`sign_out_other`](Self::sign_out_other).
    pub async fn deactivate(&self, session: &Session, user: &str) -> Result<bool, ClientError> {
        let url = format!("{}/_synapse/admin/v1/deactivate/{}", self.base, encoded(user));
        let request = self.http.post(url).bearer_auth(&session.token).json(&json!({ "erase": false }));
        match checked("matrix", request.send().await?).await {
            Err(error) if error.is(404, "M_UNRECOGNIZED") => Ok(false),
            Err(error) if error.is(404, "M_NOT_FOUND") => Ok(true),
            answer => answer.map(|_| true),
        }
    }

    /// Opens an account that was deactivated, with this password, as the server's administrator.
    ///
    /// # Errors
    /// As for [`sign_out_other`](Self::sign_out_other).
    pub async fn reactivate(&self, session: &Session, user: &str, password: &str) -> Result<(), ClientError> {
        let url = format!("{}/_synapse/admin/v2/users/{}", self.base, encoded(user));
        let body = json!({ "deactivated": false, "password": password });
        let request = self.http.put(url).bearer_auth(&session.token).json(&body);
        checked("matrix", request.send().await?).await.map(drop)
    }

    /// The devices of a user, as the server's administrator sees them.
    ///
    /// # Errors
    /// As for [`sign_out_other`](Self::sign_out_other).
    pub async fn devices(&self, session: &Session, user: &str) -> Result<Vec<String>, ClientError> {
        let url = format!("{}/_synapse/admin/v2/users/{}/devices", self.base, encoded(user));
        let answer: Value =
            checked("matrix", self.http.get(url).bearer_auth(&session.token).send().await?).await?.json().await?;
        let devices = answer.get("devices").and_then(Value::as_array).into_iter().flatten();
        Ok(devices.filter_map(|it| it.get("device_id")?.as_str().map(str::to_owned)).collect())
    }

    /// Whether this user has made the room, and set the mark in it.
    ///
    /// # Errors
    /// The server's.
    pub async fn is_marked_by(&self, session: &Session, room: &str) -> Result<bool, ClientError> {
        let state = self.state(session, room).await?;
        Ok(["m.room.create", MARKER].iter().all(|kind| sender(&state, kind) == Some(session.user_id.as_str())))
    }

    /// Whether a room has its name and its power levels: a server that died while it made one may have left less.
    ///
    /// # Errors
    /// The server's.
    pub async fn is_whole(&self, session: &Session, room: &str, name: &str) -> Result<bool, ClientError> {
        let state = self.state(session, room).await?;
        let named = event(&state, "m.room.name").and_then(|it| it.pointer("/content/name")?.as_str()) == Some(name);
        Ok(named && event(&state, "m.room.power_levels").is_some())
    }

    async fn state(&self, session: &Session, room: &str) -> Result<Vec<Value>, ClientError> {
        let events = self.get(&format!("rooms/{room}/state"), session).await?;
        Ok(events.as_array().cloned().unwrap_or_default())
    }

    /// Whether there never was an account of this name.
    ///
    /// # Errors
    /// The server's.
    pub async fn is_available(&self, name: &str) -> Result<bool, ClientError> {
        let request = self.http.get(self.url(&format!("register/available?username={}", encoded(name))));
        match checked("matrix", request.send().await?).await {
            Ok(_) => Ok(true),
            Err(error) if error.is(400, "M_USER_IN_USE") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sets the user's own display name.
    ///
    /// # Errors
    /// The server's.
    pub async fn set_display_name(&self, session: &Session, name: &str) -> Result<(), ClientError> {
        let url = self.url(&format!("profile/{}/displayname", encoded(&session.user_id)));
        let request = self.http.put(url).bearer_auth(&session.token).json(&json!({ "displayname": name }));
        checked("matrix", request.send().await?).await.map(drop)
    }

    /// All rooms that have members, and all accounts, as the server's administrator sees them.
    ///
    /// # Errors
    /// The server's.
    pub async fn audit(&self) -> Result<(Value, Value), ClientError> {
        let get = |path: &str| {
            let request = self.http.get(format!("{}/_synapse/admin/{path}?limit=10000", self.base));
            match &self.admin_token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        let rooms = checked("matrix", get("v1/rooms").send().await?).await?.json().await?;
        let users = checked("matrix", get("v2/users").send().await?).await?.json().await?;
        Ok((rooms, users))
    }
}

/// A room that is to be made.
pub struct NewRoom<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its alias, without server; unique on the server.
    pub alias: Option<&'a str>,
    /// The mark by which it is known as ours.
    pub owner: Option<&'a str>,
    /// Whom to invite.
    pub invite: &'a [&'a str],
}

impl Session {
    /// The session of a user with this token.
    #[must_use]
    pub fn of(user_id: String, token: String) -> Self {
        Self { user_id, token }
    }

    fn from(answer: &Value) -> Self {
        let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { user_id: field("user_id"), token: field("access_token") }
    }

    /// The server's name, which ends every id and alias.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.user_id.split_once(':').map_or("", |(_, server)| server)
    }

    /// The full id of another user of this user's server.
    #[must_use]
    pub fn user(&self, name: &str) -> String {
        format!("@{name}:{}", self.server_name())
    }

    /// The full alias of a room of this user's server.
    #[must_use]
    pub fn alias(&self, name: &str) -> String {
        format!("#{name}:{}", self.server_name())
    }

    /// The token, for the agent's configuration.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// What passes the next stage that a registration asks for.
fn next_stage(asked: &Value, token: &str) -> Result<Value, ClientError> {
    let completed = |stage: &&str| {
        let completed = asked.get("completed").and_then(Value::as_array).into_iter().flatten();
        completed.filter_map(Value::as_str).any(|it| it == *stage)
    };
    let stages = asked.pointer("/flows/0/stages").and_then(Value::as_array).into_iter().flatten();
    let stage = stages.filter_map(Value::as_str).find(|it| !completed(it)).unwrap_or_default();
    if let Some(error) = asked.get("error").and_then(Value::as_str) {
        let code = asked.get("errcode").and_then(Value::as_str).unwrap_or_default();
        return Err(refused(code, format!("{error}; give the registration token that the homeserver knows")));
    }
    match stage {
        "m.login.registration_token" => Ok(json!({ "type": stage, "session": asked["session"], "token": token })),
        "m.login.dummy" => Ok(json!({ "type": stage, "session": asked["session"] })),
        _ => Err(refused("", format!("registration wants `{stage}`, which a controller cannot pass; let a token do"))),
    }
}

/// A registration that this server does not let through.
fn refused(code: &str, message: String) -> ClientError {
    let (status, code) = (StatusCode::UNAUTHORIZED, code.to_owned());
    ClientError::Refused { server: "matrix", status, code, message, class: Class::Rejected }
}

/// The event of this type and an empty key.
fn event<'s>(state: &'s [Value], kind: &str) -> Option<&'s Value> {
    let is = |it: &&Value| it.get("type").and_then(Value::as_str) == Some(kind);
    state.iter().find(|it| is(it) && it.get("state_key").and_then(Value::as_str) == Some(""))
}

fn sender<'s>(state: &'s [Value], kind: &str) -> Option<&'s str> {
    event(state, kind)?.get("sender")?.as_str()
}

fn encoded(alias: &str) -> String {
    alias.replace('#', "%23").replace(':', "%3A")
}
