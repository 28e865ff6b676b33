//! The account with which the controller makes rooms. Invariant: a room is made with its mark, under an alias that only we use, so that whatever a
//! crash leaves of it is found and cleared; and a room counts as made only if all of it is there, by our hand.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::clients::{ClientError, Matrix, NewRoom, Session};
use crate::credentials::Secret;

/// The administrator's account, which is not of our making. Every clone is the same session.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The homeserver.
    pub matrix: Matrix,
    name: String,
    password: Secret,
    session: Arc<Mutex<Option<Session>>>,
}

/// A room that the administrator makes.
#[derive(Debug, Clone, Copy)]
pub struct MarkedRoom<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its alias, without server.
    pub alias: &'a str,
    /// The key of the effect that makes it, as its mark.
    pub mark: &'a str,
}

/// What there is of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The room.
    Room(String),
    /// Part of a room, a room without its alias, an alias without its room, or more than one room.
    Rubble,
}

impl Administrator {
    /// The administrator with this account.
    #[must_use]
    pub fn new(matrix: Matrix, name: &str, password: Secret) -> Self {
        Self { matrix, name: name.to_owned(), password, session: Arc::default() }
    }

    /// The session that is open, or a new one. One at a time logs in, and always as the same device, so that none piles up.
    ///
    /// # Errors
    /// The server's, 403 if the password is wrong.
    pub async fn session(&self) -> Result<Session, ClientError> {
        let mut open = self.session.lock().await;
        if let Some(session) = &*open
            && self.matrix.is_open(session).await?
        {
            return Ok(session.clone());
        }
        let session = self.matrix.login_as(&self.name, self.password.reveal(), Some("hiclaw-controller")).await?;
        *open = Some(session.clone());
        Ok(session)
    }

    /// Makes a room with the administrator alone in it. A member who is invited later has less power, and so can be put out again.
    ///
    /// # Errors
    /// The server's.
    pub async fn open(&self, session: &Session, room: &MarkedRoom<'_>) -> Result<String, ClientError> {
        let new = NewRoom { name: room.name, alias: Some(room.alias), owner: Some(room.mark), invite: &[] };
        self.matrix.create_room(session, &new).await
    }

    /// Looks for a room by its mark, and by its alias. A mark that somebody else has set in a room of theirs does not count.
    ///
    /// # Errors
    /// The server's.
    pub async fn find(&self, session: &Session, room: &MarkedRoom<'_>) -> Result<Found, ClientError> {
        let rooms = self.own_rooms(session, room.mark).await?;
        let target = self.matrix.resolve(session, &session.alias(room.alias)).await?;
        match (rooms.as_slice(), target) {
            ([], None) => Ok(Found::Nothing),
            ([it], Some(target)) if *it == target && self.matrix.is_whole(session, it, room.name).await? => {
                Ok(Found::Room(target))
            }
            _ => Ok(Found::Rubble),
        }
    }

    /// The rooms with this mark that the administrator has made.
    async fn own_rooms(&self, session: &Session, mark: &str) -> Result<Vec<String>, ClientError> {
        let mut own = Vec::new();
        for room in self.matrix.rooms_of(session, mark).await? {
            if self.matrix.is_marked_by(session, &room).await? {
                own.push(room);
            }
        }
        Ok(own)
    }

    /// Puts everybody out of a room, and removes its alias.
    ///
    /// # Errors
    /// The server's.
    pub async fn close(&self, session: &Session, room: &MarkedRoom<'_>, id: &str) -> Result<(), ClientError> {
        self.matrix.empty_room(session, id).await?;
        self.matrix.delete_alias(session, &session.alias(room.alias)).await
    }

    /// Closes whatever there is of a room. A homeserver that died while it made one may have left an alias of ours that leads to a room without a
    /// mark: only its creator can be in there.
    ///
    /// # Errors
    /// The server's.
    pub async fn clear(&self, session: &Session, room: &MarkedRoom<'_>) -> Result<(), ClientError> {
        for id in self.own_rooms(session, room.mark).await? {
            self.matrix.empty_room(session, &id).await?;
        }
        let alias = session.alias(room.alias);
        if let Some(id) = self.matrix.resolve(session, &alias).await? {
            self.matrix.empty_room(session, &id).await?;
        }
        self.matrix.delete_alias(session, &alias).await
    }
}
