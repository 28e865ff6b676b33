//! What each step of the Human does to the world. Invariant: a password is durable before a person is told it, and an error before the mail
//! is sent never counts as a doubt about the mail.

use std::collections::BTreeSet;

use durable_fsm::{Class, Classify, Lookup, ResourceId, Undone};

use super::passwords::Passwords;
use super::sessions::{Sessions, Tried};
use super::{AccountRegistered, Human, HumanAttempt, HumanTransitions, Level, Ready, Requested};
use crate::administrator::Administrator;
use crate::clients::{ClientError, Clients, Letter, Mail, MailError, Registered, Session};
use crate::names;
use crate::roster::{Roster, RosterError};

/// The steps, against real or stand-in servers.
#[derive(Debug, Clone)]
pub struct HumanProvisioner {
    /// The servers.
    pub clients: Clients,
    /// The mail server.
    pub mail: Mail,
    /// Who invites to the rooms.
    pub administrator: Administrator,
    /// The initial passwords.
    pub passwords: Passwords,
    /// The sessions that they have opened.
    pub sessions: Sessions,
    /// The teams and workers.
    pub roster: Roster,
    /// The token with which accounts are registered.
    pub registration_token: String,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HumanError {
    /// A server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The mail server.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A team or worker.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The passwords or the vault.
    #[error("the secrets cannot be used: {0}; nothing was sent")]
    Secrets(#[from] std::io::Error),
    /// The person has changed the password.
    #[error(
        "the display name of {0} cannot be changed, because the person has changed the password; ask the person or an administrator to change it"
    )]
    Closed(String),
    /// Something went wrong before the mail was sent.
    #[error("the mail was not sent: {0}")]
    Unsent(#[source] Box<HumanError>),
    /// A step of several calls stopped between them.
    #[error("the step was carried out in part, then failed: {0}")]
    Partly(#[source] Box<HumanError>),
}

impl HumanError {
    /// What an error says once an earlier call of the same step has taken effect.
    fn partly(self) -> Self {
        HumanError::Partly(Box::new(self))
    }

    /// What an error says before the call that counts was made.
    fn unsent(self) -> Self {
        HumanError::Unsent(Box::new(self))
    }
}

impl Classify for HumanError {
    fn classify(&self) -> Class {
        match self {
            HumanError::Client(error) => error.classify(),
            HumanError::Mail(error) => error.classify(),
            HumanError::Roster(error) => error.classify(),
            HumanError::Secrets(_) => Class::NOT_APPLIED,
            HumanError::Closed(_) => Class::Rejected,
            HumanError::Unsent(error) => match error.classify() {
                Class::Unknown => Class::NOT_APPLIED,
                class => class,
            },
            HumanError::Partly(_) => Class::Unknown,
        }
    }
}

/// The name of a person at servers that know no namespaces.
fn name_of(human: &Human) -> String {
    names::external(&human.namespace, &human.name)
}

/// Whose account it is, by the passwords that were made.
enum Account {
    /// The person's own. Without a session it is deactivated.
    Own(Option<Session>),
    /// A namesake's.
    Namesakes(Option<Session>),
    /// No password of ours opens it, or there is none.
    NotOurs,
}

impl HumanProvisioner {
    async fn try_password(&self, name: &str, password: &str) -> Result<Tried, ClientError> {
        self.sessions.of(&self.clients.matrix, name, password).await
    }

    /// Tries our own password, and those that were made for namesakes.
    async fn account(&self, human: &Human, owner_tag: &str) -> Result<Account, HumanError> {
        let name = &name_of(human);
        let namesakes = self.passwords.of_namesakes(name, owner_tag).await?;
        if let Some(own) = self.passwords.kept(name, owner_tag).await? {
            match self.try_password(name, own.reveal()).await? {
                Tried::Opens(session) => return Ok(Account::Own(Some(session))),
                // Here the password proves nothing. Somebody has said that both are the same person if it was handed over.
                Tried::Deactivated if namesakes.iter().any(|it| it.reveal() == own.reveal()) => {
                    return Ok(Account::Own(None));
                }
                Tried::Deactivated | Tried::Wrong => {}
            }
        }
        for password in namesakes {
            match self.try_password(name, password.reveal()).await? {
                Tried::Opens(session) => return Ok(Account::Namesakes(Some(session))),
                Tried::Deactivated => return Ok(Account::Namesakes(None)),
                Tried::Wrong => {}
            }
        }
        Ok(Account::NotOurs)
    }

    /// The id of an account that one of our passwords opens, or opened.
    async fn user_id(&self, human: &Human, session: Option<Session>) -> Result<String, HumanError> {
        match session {
            Some(session) => Ok(session.user_id),
            None => Ok(self.administrator.session().await?.user(&name_of(human))),
        }
    }

    /// The person's own session; none once they have changed the password.
    async fn session(&self, human: &Human, attempt: &HumanAttempt) -> Result<Option<Session>, HumanError> {
        Ok(match self.account(human, attempt.owner_tag()).await? {
            Account::Own(session) | Account::Namesakes(session) => session,
            Account::NotOurs => None,
        })
    }

    /// Opens an account again that was deactivated with a namesake, and was handed over.
    async fn open_again(&self, user_id: &str, attempt: &HumanAttempt) -> Result<(), HumanError> {
        let human = attempt.resource();
        if let Account::Own(None) = self.account(human, attempt.owner_tag()).await? {
            let password = self.passwords.own(&name_of(human), attempt.owner_tag()).await?;
            let admin = self.administrator.session().await?;
            self.clients.matrix.reactivate(&admin, user_id, password.reveal()).await?;
        }
        Ok(())
    }

    async fn rename_to(&self, user_id: &str, name: &str, attempt: &HumanAttempt) -> Result<(), HumanError> {
        let session = self.session(attempt.resource(), attempt).await?;
        let session = session.ok_or_else(|| HumanError::Closed(user_id.to_owned()))?;
        Ok(self.clients.matrix.set_display_name(&session, name).await?)
    }

    /// Invites the person as somebody who is in the room, and joins if a password of ours still opens the account: else they do it
    /// themselves.
    async fn let_in(&self, host: &Session, room: &str, user: &str, attempt: &HumanAttempt) -> Result<(), HumanError> {
        self.clients.matrix.invite(host, room, user).await?;
        let join = async {
            match self.session(attempt.resource(), attempt).await? {
                Some(session) => Ok(self.clients.matrix.join(&session, room).await?),
                None => Ok(()),
            }
        };
        join.await.map_err(HumanError::partly)
    }

    /// The object that lets a worker's agent listen to the person. One for each person: its own configuration is the Worker's.
    fn permission(worker: &str, human: &Human) -> String {
        let worker = names::external(&human.namespace, worker);
        format!("agents/{worker}/allow-from/{}.json", human.name)
    }

    /// Puts the person out of a team's room, wherever it is. A team that is gone has closed its room itself.
    async fn leave_team(&self, room: Option<&str>, user: &str) -> Result<(), HumanError> {
        let Some(room) = room else { return Ok(()) };
        let admin = self.administrator.session().await?;
        Ok(self.clients.matrix.expel(&admin, room, user).await?)
    }

    /// Puts the person out of a worker's room, and takes the permission away. A worker that is gone has closed its room itself.
    async fn leave_worker(
        &self,
        name: &str,
        room: Option<&str>,
        user: &str,
        attempt: &HumanAttempt,
    ) -> Result<(), HumanError> {
        let human = attempt.resource();
        self.clients.oss.delete(&Self::permission(name, human)).await?;
        let known = self.roster.worker(&ResourceId::new(&human.namespace, name)).await?;
        let (Some(_), Some(room)) = (known, room) else { return Ok(()) };
        let admin = self.administrator.session().await?;
        Ok(self.clients.matrix.expel(&admin, room, user).await?)
    }
}

impl HumanTransitions for HumanProvisioner {
    type Error = HumanError;

    async fn register_account(&self, from: Requested, attempt: &HumanAttempt) -> Result<AccountRegistered, HumanError> {
        let name = &name_of(attempt.resource());
        let password = self.passwords.own(name, attempt.owner_tag()).await?;
        let registered = self.clients.matrix.register(name, password.reveal(), &self.registration_token).await?;
        let (Registered::New(session) | Registered::Ours(session)) = registered;
        self.sessions.keep(name, password.reveal(), &session);
        Ok(from.account_registered(session.user_id))
    }

    async fn lookup_register_account(
        &self,
        from: Requested,
        attempt: &HumanAttempt,
    ) -> Result<Lookup<AccountRegistered>, HumanError> {
        let human = attempt.resource();
        Ok(match self.account(human, attempt.owner_tag()).await? {
            Account::Own(session) => Lookup::Ours(from.account_registered(self.user_id(human, session).await?)),
            Account::Namesakes(session) => {
                Lookup::Predecessor(from.account_registered(self.user_id(human, session).await?))
            }
            Account::NotOurs if self.clients.matrix.is_available(&name_of(human)).await? => Lookup::Absent,
            Account::NotOurs => Lookup::NotOurs,
        })
    }

    async fn set_display_name(&self, from: AccountRegistered, attempt: &HumanAttempt) -> Result<Ready, HumanError> {
        let name = attempt.spec().display_name.clone();
        self.open_again(&from.user_id, attempt).await?;
        self.rename_to(&from.user_id, &name, attempt).await.map_err(HumanError::partly)?;
        Ok(from.ready(name))
    }

    async fn close_account(&self, made: &Ready, attempt: &HumanAttempt) -> Result<Undone, HumanError> {
        let admin = self.administrator.session().await?;
        if self.clients.matrix.deactivate(&admin, &made.user_id).await? {
            self.sessions.forget(&name_of(attempt.resource()));
            return Ok(Undone::Done);
        }
        if let Some(session) = self.session(attempt.resource(), attempt).await? {
            self.clients.matrix.sign_out(&session).await?;
        }
        Ok(Undone::Left(format!("the homeserver has no call that deactivates {}; deactivate it by hand", made.user_id)))
    }

    fn invitations(&self, _at: &Ready, resource: &Human) -> BTreeSet<String> {
        resource.spec.email.iter().cloned().collect()
    }

    async fn send_invitation(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &HumanAttempt,
    ) -> Result<String, HumanError> {
        let human = attempt.resource();
        let before = async {
            // What is mailed opens the account, or is not mailed: the person may have the password of an earlier life.
            let own = self.passwords.kept(&name_of(human), attempt.owner_tag()).await?;
            let Some(own) = own else { return Ok(None) };
            let tried = self.sessions.log_in(&self.clients.matrix, &name_of(human), own.reveal()).await?;
            Ok(matches!(tried, Tried::Opens(_)).then_some(own))
        };
        let password = before.await.map_err(HumanError::unsent)?;
        let secret = match &password {
            // On a line of its own, which no encoding of mails breaks.
            Some(password) => format!("Your initial password:\n\n{}\n\nChange it.\n", password.reveal()),
            None => "Log in with the password that you have.\n".to_owned(),
        };
        // The id is that of the attempt's key, so that an operator in doubt finds the mail in the server's log.
        let message_id = format!("<{}@hiclaw>", attempt.key());
        let letter = Letter {
            to: subject,
            message_id: &message_id,
            subject: "Your account",
            text: &format!("{},\n\nyour account:\n\n{}\n\n{secret}", attempt.spec().display_name, at.user_id),
        };
        self.mail.send(&letter).await?;
        Ok(message_id)
    }

    fn teams(&self, _at: &Ready, resource: &Human) -> BTreeSet<String> {
        let there = self.roster.teams(&resource.namespace).into_keys().collect();
        match resource.spec.level {
            Level::Admin => there,
            Level::Team => &resource.spec.accessible_teams & &there,
            Level::Worker => BTreeSet::new(),
        }
    }

    async fn grant_team(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &HumanAttempt,
    ) -> Result<Option<String>, HumanError> {
        let id = ResourceId::new(&attempt.resource().namespace, subject);
        let Some(room) = self.roster.ready_team(&id).await? else { return Ok(None) };
        let admin = self.administrator.session().await?;
        self.let_in(&admin, &room, &at.user_id, attempt).await?;
        Ok(Some(room))
    }

    async fn revoke_team(
        &self,
        at: &Ready,
        _subject: &String,
        made: &Option<String>,
        _attempt: &HumanAttempt,
    ) -> Result<Undone, HumanError> {
        self.leave_team(made.as_deref(), &at.user_id).await.map(Undone::from)
    }

    async fn withdraw_team(&self, at: &Ready, subject: &String, attempt: &HumanAttempt) -> Result<Undone, HumanError> {
        let id = ResourceId::new(&attempt.resource().namespace, subject);
        let room = self.roster.team(&id).await?.and_then(|known| known.room_id);
        self.leave_team(room.as_deref(), &at.user_id).await.map(Undone::from)
    }

    /// The listed workers that are there, and those of the teams that the person may reach.
    fn workers(&self, _at: &Ready, resource: &Human) -> BTreeSet<String> {
        let there = self.roster.workers(&resource.namespace);
        let listed = &resource.spec.accessible_workers;
        match resource.spec.level {
            Level::Admin => there,
            Level::Worker => listed & &there,
            Level::Team => {
                let teams = self.roster.teams(&resource.namespace);
                let reached = teams.into_iter().filter(|(team, _)| resource.spec.accessible_teams.contains(team));
                &reached.flat_map(|(_, members)| members).chain(listed.iter().cloned()).collect() & &there
            }
        }
    }

    async fn grant_worker(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &HumanAttempt,
    ) -> Result<Option<String>, HumanError> {
        let human = attempt.resource();
        let found = self.roster.ready_worker(&ResourceId::new(&human.namespace, subject)).await?;
        let Some((_, room)) = found else { return Ok(None) };
        let admin = self.administrator.session().await?;
        self.let_in(&admin, &room, &at.user_id, attempt).await?;
        let permission = serde_json::json!({ "allow": at.user_id }).to_string().into_bytes();
        let allowed = self.clients.oss.put(&Self::permission(subject, human), permission).await;
        allowed.map_err(|error| HumanError::from(error).partly())?;
        Ok(Some(room))
    }

    async fn revoke_worker(
        &self,
        at: &Ready,
        subject: &String,
        made: &Option<String>,
        attempt: &HumanAttempt,
    ) -> Result<Undone, HumanError> {
        self.leave_worker(subject, made.as_deref(), &at.user_id, attempt).await.map(Undone::from)
    }

    async fn withdraw_worker(
        &self,
        at: &Ready,
        subject: &String,
        attempt: &HumanAttempt,
    ) -> Result<Undone, HumanError> {
        let id = ResourceId::new(&attempt.resource().namespace, subject);
        let room = self.roster.worker(&id).await?.and_then(|known| known.room_id);
        self.leave_worker(subject, room.as_deref(), &at.user_id, attempt).await.map(Undone::from)
    }

    fn display_name_changed(&self, at: &Ready, resource: &Human) -> bool {
        at.display_name != resource.spec.display_name
    }

    async fn rename(&self, from: Ready, attempt: &HumanAttempt) -> Result<Ready, HumanError> {
        let display_name = attempt.spec().display_name.clone();
        self.rename_to(&from.user_id, &display_name, attempt).await?;
        Ok(from.ready(display_name))
    }
}
