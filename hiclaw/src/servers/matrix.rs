//! A Matrix homeserver, as Synapse answers. An account's name is taken forever; a room has no transaction id, so every `createRoom` makes
//! another room; and a crash inside it leaves half of one.

mod homeserver;
mod people;
mod rooms;

use std::sync::Mutex;

use axum::Router;
use axum::routing::{get, post, put};

pub use homeserver::HalfRoom;
use homeserver::{Account, Homeserver, MANAGER, Shared, lock};

use super::listener::{Calls, Listener};
use crate::office::ADMIN_PASSWORD;

/// The homeserver.
pub struct Matrix {
    pub(crate) listener: Listener,
    state: Shared,
}

impl Matrix {
    pub(super) async fn start(calls: &Calls, domain: &str) -> std::io::Result<Self> {
        let mut server = Homeserver { domain: domain.to_owned(), ..Homeserver::default() };
        for (name, password) in [("admin", ADMIN_PASSWORD), (MANAGER, "manager-password")] {
            let account = Account { password: password.to_owned(), ..Account::default() };
            server.accounts.insert(format!("@{name}:{domain}"), account);
        }
        let state = Shared::new(Mutex::new(server));
        let router = Router::new()
            .route("/_matrix/client/v3/register", post(people::register))
            .route("/_matrix/client/v3/register/available", get(people::available))
            .route("/_matrix/client/v3/login", post(people::login))
            .route("/_matrix/client/v3/account/whoami", get(people::whoami))
            .route("/_matrix/client/v3/logout/all", post(people::sign_out))
            .route("/_matrix/client/v3/profile/{user}/displayname", put(people::set_display_name))
            .route("/_matrix/client/v3/createRoom", post(rooms::create_room))
            .route("/_matrix/client/v3/joined_rooms", get(rooms::joined_rooms))
            .route("/_matrix/client/v3/directory/room/{alias}", get(rooms::resolve).delete(rooms::delete_alias))
            .route("/_matrix/client/v3/rooms/{room}/join", post(rooms::join))
            .route("/_matrix/client/v3/rooms/{room}/invite", post(people::invite))
            .route("/_matrix/client/v3/rooms/{room}/leave", post(rooms::leave))
            .route("/_matrix/client/v3/rooms/{room}/kick", post(rooms::kick))
            .route("/_matrix/client/v3/rooms/{room}/members", get(rooms::members))
            .route("/_matrix/client/v3/rooms/{room}/aliases", get(people::aliases))
            .route("/_matrix/client/v3/rooms/{room}/state", get(rooms::all_state))
            .route("/_matrix/client/v3/rooms/{room}/state/{kind}/", get(rooms::read_state))
            .route("/_matrix/client/v3/rooms/{room}/state/{kind}", put(rooms::write_state).get(rooms::read_state))
            .route("/_synapse/admin/v1/rooms", get(rooms::admin_rooms))
            .route("/_synapse/admin/v1/rooms/{room}/members", get(people::members_of))
            .route("/_synapse/admin/v2/users", get(people::admin_users))
            .route("/_synapse/admin/v1/deactivate/{user}", post(people::deactivate))
            .route("/_synapse/admin/v2/users/{user}", put(people::change))
            .route("/_synapse/admin/v2/users/{user}/devices", get(people::devices))
            .route("/_synapse/admin/v2/users/{user}/delete_devices", post(people::delete_devices))
            .with_state(state.clone());
        Ok(Self { listener: Listener::start("matrix", calls, router).await?, state })
    }

    /// Changes a user's password, as the person may do in their client, which ends all sessions. False if there is no such account.
    #[must_use]
    pub fn change_password(&self, user: &str, password: &str) -> bool {
        let mut server = lock(&self.state);
        server.tokens.retain(|_, of| of != user);
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
