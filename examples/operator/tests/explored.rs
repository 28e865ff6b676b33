//! The machine under every fault, and every pair of faults, at a simulated cloud.

use std::time::Duration;

use durable_fsm::Lookup;
use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, Timer, World};
use example_operator::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A simulated cloud and API server: projects, Secrets and access keys on shelves.
#[derive(Clone)]
struct Simulated {
    projects: Shelf,
    secrets: Shelf,
    keys: Shelf,
    prepared: Timer,
}

impl Provider for Simulated {
    type Error = ShelfError;

    async fn create_project(&self, key: &str, owner: &str) -> Result<String, ShelfError> {
        self.prepared.start(Duration::from_secs(2));
        self.projects.add(key, owner).await
    }

    async fn find_project(&self, key: &str, owner: &str) -> Result<Option<String>, ShelfError> {
        Ok(match self.projects.find(key, owner).await {
            Lookup::Ours(project) => Some(project.id),
            _ => None,
        })
    }

    async fn is_prepared(&self, _: &str) -> Result<bool, ShelfError> {
        Ok(self.prepared.is_done())
    }

    async fn delete_project(&self, project: &str) -> Result<(), ShelfError> {
        self.projects.remove(project).await
    }

    async fn create_secret(&self, project: &Project, key: &str, owner: &str) -> Result<String, ShelfError> {
        self.secrets.claim(project.metadata.name.as_deref().unwrap(), key, owner).await
    }

    async fn find_secret(&self, project: &Project, _: &str, owner: &str) -> Result<Lookup<String>, ShelfError> {
        Ok(match self.secrets.find_name(project.metadata.name.as_deref().unwrap(), owner).await {
            Lookup::Ours(secret) => Lookup::Ours(secret.id),
            Lookup::Absent => Lookup::Absent,
            _ => Lookup::NotOurs,
        })
    }

    async fn fill_secret(&self, _: &Project, secret: &str, _: &Access) -> Result<(), ShelfError> {
        self.secrets.made_of("an access key").change(secret).await
    }

    async fn delete_secret(&self, _: &Project, secret: &str) -> Result<(), ShelfError> {
        self.secrets.remove(secret).await
    }

    async fn issue(&self, _: &str, key: &str, owner: &str) -> Result<Access, ShelfError> {
        Ok(Access { id: self.keys.put(key, owner).await?, secret: String::new() })
    }

    async fn revoke(&self, key: &str) -> Result<(), ShelfError> {
        self.keys.remove_key(key).await
    }

    async fn set_quota(&self, project: &str, quota: u32) -> Result<(), ShelfError> {
        self.projects.made_of(quota.to_string()).change(project).await
    }
}

fn project(quota: u32) -> Project {
    let metadata = ObjectMeta {
        namespace: Some("default".to_owned()),
        name: Some("acme".to_owned()),
        uid: Some("uid-1".to_owned()),
        generation: Some(i64::from(quota)),
        ..ObjectMeta::default()
    };
    Project { metadata, spec: ProjectSpec { quota }, status: None }
}

impl World for Simulated {
    type Machine = ProjectFlow;
    type Transitions = Provisioner<Self>;

    fn new(sim: &Sim) -> Self {
        Self {
            projects: Shelf::new(sim, "project"),
            secrets: Shelf::new(sim, "secret"),
            keys: Shelf::new(sim, "key"),
            prepared: Timer::new(sim),
        }
    }

    fn transitions(&self) -> Provisioner<Self> {
        Provisioner(self.clone())
    }

    fn resource() -> Project {
        project(1)
    }

    fn edits() -> Vec<Project> {
        vec![project(2)]
    }

    fn inventory(&self) -> Vec<Thing> {
        [self.projects.inventory(), self.secrets.inventory(), self.keys.inventory()].concat()
    }
}

durable_fsm::survive! {
    mod project_flow for Simulated { create_project, create_secret, issue_access, set_quota }
    waits { await_project }
}
