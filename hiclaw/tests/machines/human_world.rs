//! The Human's machine against a world in memory, under every fault and every pair of them.

use std::collections::BTreeSet;

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Lookup, Undone};
use hiclaw::human::{
    AccountRegistered, Human, HumanAttempt, HumanFlow, HumanSpec, HumanTransitions, Level, Ready, Requested,
};

/// Accounts and accesses have names; every mail is another one.
#[derive(Clone)]
struct Cloud {
    accounts: Shelf,
    /// The accounts that are not deactivated.
    open: Shelf,
    mails: Shelf,
    accesses: Shelf,
    /// Whom the account of a namesake belongs to by now.
    handed_over: Shelf,
}

impl Cloud {
    async fn grant(&self, access: String, attempt: &HumanAttempt) -> Result<Option<String>, ShelfError> {
        self.accesses.claim(&access, attempt.key(), attempt.owner_tag()).await.map(Some)
    }
    async fn revoke(&self, access: String, attempt: &HumanAttempt) -> Result<Undone, ShelfError> {
        self.accesses.remove_name(&access, attempt.owner_tag()).await.map(Undone::from)
    }
}

impl HumanTransitions for Cloud {
    type Error = ShelfError;

    async fn register_account(&self, from: Requested, attempt: &HumanAttempt) -> Result<AccountRegistered, ShelfError> {
        Ok(from.account_registered(self.accounts.claim("@kim", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_register_account(
        &self,
        from: Requested,
        attempt: &HumanAttempt,
    ) -> Result<Lookup<AccountRegistered>, ShelfError> {
        Ok(match self.accounts.find_name("@kim", attempt.owner_tag()).await {
            Lookup::Ours(account) => Lookup::Ours(from.account_registered(account.id)),
            Lookup::Absent => Lookup::Absent,
            _ => match self.handed_over.find_name("@kim", attempt.owner_tag()).await {
                Lookup::Ours(_) => Lookup::Ours(from.account_registered("account".to_owned())),
                // A namesake's. The person hands it over once they are asked.
                _ => {
                    self.handed_over.foreign("@kim", attempt.owner_tag());
                    Lookup::NotOurs
                }
            },
        })
    }
    async fn set_display_name(&self, from: AccountRegistered, attempt: &HumanAttempt) -> Result<Ready, ShelfError> {
        self.open.claim("@kim", attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(attempt.spec().display_name.clone()))
    }
    async fn close_account(&self, _: &Ready, attempt: &HumanAttempt) -> Result<Undone, ShelfError> {
        self.open.remove_name("@kim", attempt.owner_tag()).await.map(Undone::from)
    }
    fn invitations(&self, _: &Ready, human: &Human) -> BTreeSet<String> {
        human.spec.email.iter().cloned().collect()
    }
    async fn send_invitation(&self, _: &Ready, _: &String, attempt: &HumanAttempt) -> Result<String, ShelfError> {
        self.mails.add(attempt.key(), attempt.owner_tag()).await
    }
    fn teams(&self, _: &Ready, human: &Human) -> BTreeSet<String> {
        if human.spec.level == Level::Team { human.spec.accessible_teams.clone() } else { BTreeSet::new() }
    }
    async fn grant_team(
        &self,
        _: &Ready,
        subject: &String,
        attempt: &HumanAttempt,
    ) -> Result<Option<String>, ShelfError> {
        self.grant(format!("team {subject}"), attempt).await
    }
    async fn revoke_team(
        &self,
        _: &Ready,
        subject: &String,
        _: &Option<String>,
        attempt: &HumanAttempt,
    ) -> Result<Undone, ShelfError> {
        self.revoke(format!("team {subject}"), attempt).await
    }
    async fn withdraw_team(&self, _: &Ready, subject: &String, attempt: &HumanAttempt) -> Result<Undone, ShelfError> {
        self.revoke(format!("team {subject}"), attempt).await
    }
    fn workers(&self, _: &Ready, human: &Human) -> BTreeSet<String> {
        human.spec.accessible_workers.clone()
    }
    async fn grant_worker(
        &self,
        _: &Ready,
        subject: &String,
        attempt: &HumanAttempt,
    ) -> Result<Option<String>, ShelfError> {
        self.grant(format!("worker {subject}"), attempt).await
    }
    async fn revoke_worker(
        &self,
        _: &Ready,
        subject: &String,
        _: &Option<String>,
        attempt: &HumanAttempt,
    ) -> Result<Undone, ShelfError> {
        self.revoke(format!("worker {subject}"), attempt).await
    }
    async fn withdraw_worker(&self, _: &Ready, subject: &String, attempt: &HumanAttempt) -> Result<Undone, ShelfError> {
        self.revoke(format!("worker {subject}"), attempt).await
    }
    fn display_name_changed(&self, at: &Ready, human: &Human) -> bool {
        at.display_name != human.spec.display_name
    }
    async fn rename(&self, from: Ready, attempt: &HumanAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(attempt.spec().display_name.clone()))
    }
}

fn human(level: Level, display_name: &str, worker: &str) -> Human {
    let spec = HumanSpec {
        display_name: display_name.to_owned(),
        email: Some("kim@example.com".to_owned()),
        level,
        accessible_teams: BTreeSet::from(["alpha".to_owned()]),
        accessible_workers: BTreeSet::from([worker.to_owned()]),
    };
    Human { namespace: "default".to_owned(), name: "kim".to_owned(), uid: "uid-1".to_owned(), spec, deleting: false }
}

impl World for Cloud {
    type Machine = HumanFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let shelf = |kind| Shelf::new(sim, kind);
        Self {
            accounts: shelf("account"),
            open: shelf("open account"),
            mails: shelf("mail"),
            accesses: shelf("access"),
            handed_over: shelf("handed-over account"),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> Human {
        human(Level::Team, "Kim", "bob")
    }
    /// A lower level, another worker, another name.
    fn edits() -> Vec<Human> {
        vec![human(Level::Worker, "Kim Lee", "cid")]
    }
    fn inventory(&self) -> Vec<Thing> {
        [&self.accounts, &self.open, &self.mails, &self.accesses].into_iter().flat_map(Shelf::inventory).collect()
    }
}

/// There is no address to write to.
fn silent() -> Human {
    let mut silent = human(Level::Worker, "Kim", "bob");
    silent.spec.email = None;
    silent
}

durable_fsm::survive! {
    mod survives for Cloud {
        register_account, set_display_name, send_invitation, grant_team, grant_worker, rename
    }
    worlds {
        with_an_address => [human(Level::Team, "Kim", "bob"), human(Level::Worker, "Kim Lee", "cid")],
        without_an_address => [silent()],
    }
}

/// The person goes while their account is in doubt, and one of the same name comes: what is there was left behind on purpose.
#[test]
fn an_account_that_was_left_in_doubt_belongs_to_no_one() {
    let plan = "register_account/lookup#1=delete; register_account/commit#1=conflict; load#3=crash; pass#2=made-again";
    explore::<Cloud>().replay(&plan.parse().unwrap()).assert_ok();
}
