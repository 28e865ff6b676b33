//! A cluster, as real ones are: twenty states, five long polls, a branch, guards, an upgrade, and three sets of which one depends on another.

use std::collections::BTreeSet;
use std::time::Duration;

use durable_fsm::testing::{Explorer, Shelf, ShelfError, Sim, Thing, Timer, World, explore};
use durable_fsm::{Each, Fsm, Lookup, Undone, Wait};

use super::resource::App;

/// Provisions one cluster.
#[derive(Fsm)]
#[fsm(name = "test.io/cluster", version = 1, resource = App)]
pub enum ClusterFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(make_project -> ProjectMade, in_doubt = repeat, undo = delete_project)]
    Requested,
    /// There is a project.
    #[transition(make_network -> NetworkMade, in_doubt = repeat, undo = delete_network)]
    ProjectMade { project: String },
    /// There is a network.
    #[transition(make_subnet -> SubnetMade, in_doubt = repeat, undo = delete_subnet)]
    NetworkMade { network: String },
    /// There is a subnet.
    #[transition(open_firewall -> Guarded, in_doubt = repeat, undo = close_firewall)]
    SubnetMade { subnet: String },
    /// The network is guarded.
    #[transition(make_key -> Keyed, in_doubt = repeat, undo = delete_key)]
    Guarded { rules: String },
    /// There is a key to log in with.
    #[transition(make_disk -> DiskOrdered, in_doubt = lookup, undo = delete_disk)]
    Keyed { key: String },
    /// The disk is being made.
    #[transition(await_disk -> DiskReady, waits)]
    DiskOrdered { disk: String },
    /// There is a disk.
    #[transition(boot -> Booting, in_doubt = lookup, undo = shut_down)]
    DiskReady,
    /// The first machine starts.
    #[transition(await_boot -> Booted, waits, within = "2h")]
    Booting { machine: String },
    /// The first machine runs.
    #[transition(take_address -> Addressed, in_doubt = repeat, undo = give_address_back)]
    Booted,
    /// It has an address.
    #[transition(point_name -> NamePointed, in_doubt = repeat, undo = drop_name)]
    Addressed { address: String },
    /// The name is not known everywhere yet.
    #[transition(await_name -> NameKnown, waits, within = "1h")]
    NamePointed { name: String },
    /// The name leads to the address.
    #[transition(order_certificate -> CertificateOrdered, in_doubt = repeat, undo = revoke_certificate)]
    NameKnown,
    /// The authority looks at the name.
    #[transition(await_certificate -> Certified, waits)]
    CertificateOrdered { order: String },
    /// There is a certificate.
    #[transition(expose -> Public | Private, in_doubt = repeat, undo = conceal)]
    Certified,
    /// Everybody may call.
    #[transition(open_public -> Serving, no_effect)]
    Public { balancer: String },
    /// Only the project may call.
    #[transition(open_private -> Serving, no_effect)]
    Private { tunnel: String },
    /// It serves. Rests here.
    #[fsm(resting)]
    #[transition(add_node, for_each = nodes, in_doubt = repeat, undo = remove_node)]
    #[transition(add_user, for_each = users, in_doubt = repeat, undo = remove_user)]
    #[transition(grant, for_each = grants, in_doubt = repeat, undo = revoke)]
    #[transition(start_upgrade -> Upgrading, when = is_outdated, in_doubt = repeat, undo = none)]
    Serving { image: String, nodes: Each<String, String>, users: Each<String, String>, grants: Each<String, String> },
    /// The nodes are replaced one by one.
    #[transition(await_upgrade -> Upgraded, waits)]
    Upgrading { target: String },
    /// The new image runs everywhere.
    #[transition(note_upgrade -> Serving, no_effect)]
    Upgraded,
}

/// A cluster's provider. With `ASKS` its waits ask for the time itself, as a world without timers does.
#[derive(Clone)]
pub struct Cloud<const ASKS: bool> {
    sim: Sim,
    projects: Shelf,
    networks: Shelf,
    keys: Shelf,
    machines: Shelf,
    names: Shelf,
    members: Shelf,
    disk: Timer,
    boot: Timer,
    name: Timer,
    certificate: Timer,
    upgrade: Timer,
}

/// How often a wait asks, in this provider's answers.
const EVERY: Duration = Duration::from_secs(30);

impl<const ASKS: bool> Cloud<ASKS> {
    fn look<N>(&self, timer: &Timer, done: impl FnOnce() -> N) -> Wait<N> {
        if ASKS {
            let _ = self.sim.now();
        }
        if timer.is_done() { Wait::Done(done()) } else { Wait::NotYetFor(EVERY) }
    }
}

impl<const ASKS: bool> ClusterTransitions for Cloud<ASKS> {
    type Error = ShelfError;

    async fn make_project(&self, from: Requested, attempt: &ClusterAttempt) -> Result<ProjectMade, ShelfError> {
        Ok(from.project_made(self.projects.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_project(&self, made: &ProjectMade, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.projects.remove(&made.project).await.map(Undone::from)
    }
    async fn make_network(&self, from: ProjectMade, attempt: &ClusterAttempt) -> Result<NetworkMade, ShelfError> {
        Ok(from.network_made(self.networks.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_network(&self, made: &NetworkMade, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.networks.remove(&made.network).await.map(Undone::from)
    }
    async fn make_subnet(&self, from: NetworkMade, attempt: &ClusterAttempt) -> Result<SubnetMade, ShelfError> {
        Ok(from.subnet_made(self.networks.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_subnet(&self, made: &SubnetMade, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.networks.remove(&made.subnet).await.map(Undone::from)
    }
    async fn open_firewall(&self, from: SubnetMade, attempt: &ClusterAttempt) -> Result<Guarded, ShelfError> {
        Ok(from.guarded(self.networks.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close_firewall(&self, made: &Guarded, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.networks.remove(&made.rules).await.map(Undone::from)
    }
    async fn make_key(&self, from: Guarded, attempt: &ClusterAttempt) -> Result<Keyed, ShelfError> {
        Ok(from.keyed(self.keys.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_key(&self, made: &Keyed, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.keys.remove(&made.key).await.map(Undone::from)
    }
    async fn make_disk(&self, from: Keyed, attempt: &ClusterAttempt) -> Result<DiskOrdered, ShelfError> {
        self.disk.start_once(Duration::from_secs(600));
        Ok(from.disk_ordered(self.machines.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_make_disk(&self, from: Keyed, attempt: &ClusterAttempt) -> Result<Lookup<DiskOrdered>, ShelfError> {
        let mut shelved = self.machines.shelved().into_iter();
        let found = shelved.find(|it| it.key == attempt.key()).map(|it| from.disk_ordered(it.id));
        Ok(found.map_or(Lookup::Absent, Lookup::Ours))
    }
    async fn delete_disk(&self, made: &DiskOrdered, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.machines.remove(&made.disk).await.map(Undone::from)
    }
    async fn await_disk(&self, from: DiskOrdered, _: &ClusterAttempt) -> Result<Wait<DiskReady>, ShelfError> {
        Ok(self.look(&self.disk, || from.disk_ready()))
    }
    async fn boot(&self, from: DiskReady, attempt: &ClusterAttempt) -> Result<Booting, ShelfError> {
        self.boot.start_once(Duration::from_secs(300));
        Ok(from.booting(self.machines.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_boot(&self, from: DiskReady, attempt: &ClusterAttempt) -> Result<Lookup<Booting>, ShelfError> {
        let mut shelved = self.machines.shelved().into_iter();
        let found = shelved.find(|it| it.key == attempt.key()).map(|it| from.booting(it.id));
        Ok(found.map_or(Lookup::Absent, Lookup::Ours))
    }
    async fn shut_down(&self, made: &Booting, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.machines.remove(&made.machine).await.map(Undone::from)
    }
    async fn await_boot(&self, from: Booting, _: &ClusterAttempt) -> Result<Wait<Booted>, ShelfError> {
        Ok(self.look(&self.boot, || from.booted()))
    }
    async fn take_address(&self, from: Booted, attempt: &ClusterAttempt) -> Result<Addressed, ShelfError> {
        Ok(from.addressed(self.networks.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn give_address_back(&self, made: &Addressed, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.networks.remove(&made.address).await.map(Undone::from)
    }
    async fn point_name(&self, from: Addressed, attempt: &ClusterAttempt) -> Result<NamePointed, ShelfError> {
        self.name.start_once(Duration::from_secs(300));
        Ok(from.name_pointed(self.names.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn drop_name(&self, made: &NamePointed, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.names.remove(&made.name).await.map(Undone::from)
    }
    async fn await_name(&self, from: NamePointed, _: &ClusterAttempt) -> Result<Wait<NameKnown>, ShelfError> {
        Ok(self.look(&self.name, || from.name_known()))
    }
    async fn order_certificate(
        &self,
        from: NameKnown,
        attempt: &ClusterAttempt,
    ) -> Result<CertificateOrdered, ShelfError> {
        self.certificate.start_once(Duration::from_secs(180));
        Ok(from.certificate_ordered(self.names.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn revoke_certificate(&self, made: &CertificateOrdered, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.names.remove(&made.order).await.map(Undone::from)
    }
    async fn await_certificate(
        &self,
        from: CertificateOrdered,
        _: &ClusterAttempt,
    ) -> Result<Wait<Certified>, ShelfError> {
        Ok(self.look(&self.certificate, || from.certified()))
    }
    async fn expose(&self, from: Certified, attempt: &ClusterAttempt) -> Result<ExposeNext, ShelfError> {
        let made = self.networks.put(attempt.key(), attempt.owner_tag()).await?;
        let is_private = attempt.spec().image.ends_with("private");
        Ok(if is_private { from.private(made).into() } else { from.public(made).into() })
    }
    async fn conceal(&self, made: ExposeMade<'_>, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        (match made {
            ExposeMade::Public(made) => self.networks.remove(&made.balancer).await,
            ExposeMade::Private(made) => self.networks.remove(&made.tunnel).await,
        })
        .map(Undone::from)
    }
    fn open_public(&self, from: Public, attempt: &ClusterAttempt) -> Result<Serving, ShelfError> {
        Ok(from.serving(attempt.resource().0.image.clone()))
    }
    fn open_private(&self, from: Private, attempt: &ClusterAttempt) -> Result<Serving, ShelfError> {
        Ok(from.serving(attempt.resource().0.image.clone()))
    }
    fn nodes(&self, _: &Serving, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn add_node(&self, _: &Serving, _: &String, attempt: &ClusterAttempt) -> Result<String, ShelfError> {
        self.machines.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn remove_node(
        &self,
        _: &Serving,
        _: &String,
        made: &String,
        _: &ClusterAttempt,
    ) -> Result<Undone, ShelfError> {
        self.machines.remove(made).await.map(Undone::from)
    }
    fn users(&self, _: &Serving, _: &App) -> BTreeSet<String> {
        ["admin", "reader"].map(str::to_owned).into()
    }
    async fn add_user(&self, _: &Serving, _: &String, attempt: &ClusterAttempt) -> Result<String, ShelfError> {
        self.members.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn remove_user(
        &self,
        _: &Serving,
        _: &String,
        made: &String,
        _: &ClusterAttempt,
    ) -> Result<Undone, ShelfError> {
        self.members.remove(made).await.map(Undone::from)
    }
    fn grants(&self, at: &Serving, _: &App) -> BTreeSet<String> {
        at.users.keys().cloned().collect()
    }
    async fn grant(&self, _: &Serving, _: &String, attempt: &ClusterAttempt) -> Result<String, ShelfError> {
        self.members.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn revoke(&self, _: &Serving, _: &String, made: &String, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.members.remove(made).await.map(Undone::from)
    }
    fn is_outdated(&self, at: &Serving, app: &App) -> bool {
        at.image != app.0.image
    }
    async fn start_upgrade(&self, from: Serving, attempt: &ClusterAttempt) -> Result<Upgrading, ShelfError> {
        self.upgrade.start_once(Duration::from_secs(600));
        self.sim.pause().await;
        Ok(from.upgrading(attempt.spec().image.clone()))
    }
    async fn await_upgrade(&self, from: Upgrading, _: &ClusterAttempt) -> Result<Wait<Upgraded>, ShelfError> {
        Ok(self.look(&self.upgrade, || from.upgraded()))
    }
    fn note_upgrade(&self, from: Upgraded, _: &ClusterAttempt) -> Result<Serving, ShelfError> {
        let image = from.target.clone();
        Ok(from.serving(image))
    }
}

/// All single faults; the branch is taken in one direction.
pub fn explorer<const ASKS: bool>() -> Explorer<Cloud<ASKS>> {
    explore::<Cloud<ASKS>>().unreached("expose -> Private").unreached("open_private -> Serving")
}

impl<const ASKS: bool> World for Cloud<ASKS> {
    type Machine = ClusterFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self {
            sim: sim.clone(),
            projects: Shelf::new(sim, "project"),
            networks: Shelf::new(sim, "network"),
            keys: Shelf::new(sim, "key"),
            machines: Shelf::new(sim, "machine"),
            names: Shelf::new(sim, "name"),
            members: Shelf::new(sim, "member"),
            disk: Timer::new(sim),
            boot: Timer::new(sim),
            name: Timer::new(sim),
            certificate: Timer::new(sim),
            upgrade: Timer::new(sim),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &["node-a", "node-b"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &["node-b", "node-c"])]
    }
    fn inventory(&self) -> Vec<Thing> {
        let shelves = [&self.projects, &self.networks, &self.keys, &self.machines, &self.names, &self.members];
        shelves.into_iter().flat_map(Shelf::inventory).collect()
    }
}
