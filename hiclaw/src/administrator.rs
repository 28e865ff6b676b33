//! The account with which the controller makes rooms that no single worker owns. Invariant: a room is made with its mark, under an alias that only
//! we use, so that whatever a crash leaves of it is found and cleared.

use crate::clients::{ClientError, Matrix, NewRoom, Session};
use crate::credentials::Secret;

/// The administrator's account, which is not of our making.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The homeserver.
    pub matrix: Matrix,
    /// The account's name.
    pub name: String,
    /// The account's password.
    pub password: Secret,
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
    /// A room without its alias, an alias without its room, or more than one room.
    Rubble,
}

impl Administrator {
    /// Logs in.
    ///
    /// # Errors
    /// The server's, 403 if the password is wrong.
    pub async fn session(&self) -> Result<Session, ClientError> {
        self.matrix.login(&self.name, self.password.reveal()).await
    }

    /// Makes a room in which nobody else is. Whoever is invited later has no power in it, and so can be put out again.
    ///
    /// # Errors
    /// The server's.
    pub async fn open(&self, session: &Session, room: &MarkedRoom<'_>) -> Result<String, ClientError> {
        let new = NewRoom { name: room.name, alias: Some(room.alias), owner: Some(room.mark), invite: &[] };
        self.matrix.create_room(session, &new).await
    }

    /// Looks for a room by its mark, and by its alias.
    ///
    /// # Errors
    /// The server's.
    pub async fn find(&self, session: &Session, room: &MarkedRoom<'_>) -> Result<Found, ClientError> {
        let rooms = self.matrix.rooms_of(session, room.mark).await?;
        let target = self.matrix.resolve(session, &session.alias(room.alias)).await?;
        Ok(match (rooms.as_slice(), target) {
            ([], None) => Found::Nothing,
            ([it], Some(target)) if *it == target => Found::Room(target),
            _ => Found::Rubble,
        })
    }

    /// Puts everybody out of a room, and removes its alias.
    ///
    /// # Errors
    /// The server's.
    pub async fn close(&self, session: &Session, room: &MarkedRoom<'_>, id: &str) -> Result<(), ClientError> {
        self.matrix.empty_room(session, id).await?;
        self.matrix.delete_alias(session, &session.alias(room.alias)).await
    }

    /// Closes whatever there is of a room.
    ///
    /// # Errors
    /// The server's.
    pub async fn clear(&self, session: &Session, room: &MarkedRoom<'_>) -> Result<(), ClientError> {
        for id in self.matrix.rooms_of(session, room.mark).await? {
            self.matrix.empty_room(session, &id).await?;
        }
        self.matrix.delete_alias(session, &session.alias(room.alias)).await
    }
}
