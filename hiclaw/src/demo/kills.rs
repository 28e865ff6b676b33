//! A kill at every crossing. Invariant: each kill is a real SIGKILL of a real process, and it is counted only if the process stood at the
//! crossing and died of it.

use std::io::{IsTerminal as _, Write as _};

use durable_fsm::record::Record;
use tokio::task::JoinSet;

use super::child::Child;
use super::error::DemoError;
use super::resume::{first_crossing, repeats};
use super::servers::Servers;
use super::stage::Stage;

/// One run: forward to ready, or back from ready to nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Deletion,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Way::Forward => "create",
            Way::Deletion => "delete",
        }
    }
}

/// What has come of a kill at every crossing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kills {
    /// How many crossings there are, forward and during deletion.
    pub crossings: usize,
    /// How many controllers were killed.
    pub kills: usize,
    /// How many of the next ones went on exactly where the record said, and left no duplicate and no orphan.
    pub resumed: usize,
    /// How many effects were done before a kill, and seen not to be done again after it.
    pub effects_kept: usize,
    /// What went wrong, by crossing.
    pub failures: Vec<String>,
}

impl Kills {
    /// How many kills are promised, at least.
    pub const PROMISED: usize = 80;

    /// Whether there was a kill at every crossing, at least as many as promised, and nothing went wrong.
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        let Self { crossings, kills, resumed, failures, .. } = self;
        *kills >= Self::PROMISED && kills == crossings && resumed == kills && failures.is_empty()
    }
}

/// Kills a controller at every crossing of the worker's flow, with so many worlds at a time, and says so. Has a runtime of its own.
///
/// # Errors
/// [`DemoError`], if an undisturbed run fails.
#[tokio::main]
pub async fn at_every_crossing(servers: &Servers, at_once: usize) -> Result<Kills, DemoError> {
    crossings_in(servers, at_once, 1).await
}

/// As [`at_every_crossing`], at one crossing in so many.
///
/// # Errors
/// As for `at_every_crossing`.
#[tokio::main]
pub async fn at_crossings(servers: &Servers, at_once: usize, stride: usize) -> Result<Kills, DemoError> {
    crossings_in(servers, at_once, stride).await
}

pub(super) async fn crossings_in(servers: &Servers, at_once: usize, stride: usize) -> Result<Kills, DemoError> {
    let mut plan = Vec::new();
    for way in [Way::Forward, Way::Deletion] {
        plan.extend(crossings(servers, way).await?.into_iter().step_by(stride).map(|crossing| (way, crossing)));
    }
    let mut sum = Kills { crossings: plan.len(), ..Kills::default() };
    println!("{} crossings, one kill at each, {at_once} worlds at a time", sum.crossings);
    let mut done_so_far = 0;
    let (mut running, mut plan) = (JoinSet::new(), plan.into_iter());
    loop {
        while running.len() < at_once.max(1)
            && let Some((way, crossing)) = plan.next()
        {
            let servers = servers.clone();
            running.spawn(async move {
                let result = match Killed::at(&servers, way, &crossing).await {
                    Ok(killed) => Ok(killed.goes_on().await),
                    Err(error) => Err(error),
                };
                (way, crossing, result)
            });
        }
        let Some(done) = running.join_next().await else { break };
        let (way, crossing, result) = done.map_err(|error| DemoError::Controller(error.to_string()))?;
        let what = match &result {
            Ok(Ok(kept)) => {
                sum.resumed += 1;
                sum.effects_kept += kept;
                String::new()
            }
            Ok(Err(error)) => format!("  FAILED: {error}"),
            Err(error) => format!("  NOT KILLED: {error}"),
        };
        sum.kills += usize::from(result.is_ok());
        done_so_far += 1;
        show_progress(done_so_far, sum.crossings);
        if !what.is_empty() {
            println!("  {}  {crossing}{what}", way.name());
            sum.failures.push(format!("{} {crossing}{what}", way.name()));
        }
    }
    println!(
        "{} kills; {} resumed exactly where the record said, without a duplicate or an orphan; {} effects were done before a kill, and none of them again; {} failures",
        sum.kills,
        sum.resumed,
        sum.effects_kept,
        sum.failures.len()
    );
    Ok(sum)
}

/// A bar, where somebody looks at it.
fn show_progress(done: usize, all: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        const WIDTH: usize = 50;
        let full = done * WIDTH / all.max(1);
        let end = if done == all { "\n" } else { "" };
        // No one looks any more, so there is no reason to draw.
        drop(write!(out, "\r  {:━<full$}{:╌<rest$} {done}/{all}{end}", "", "", rest = WIDTH - full));
    }
}

/// Kills a controller at one crossing, wherever it comes.
pub(super) async fn at_one_crossing(servers: &Servers, crossing: &str) -> Result<bool, DemoError> {
    for way in [Way::Forward, Way::Deletion] {
        if crossings(servers, way).await?.iter().any(|it| it == crossing) {
            let killed = Killed::at(servers, way, crossing).await?;
            println!("killed at {crossing} ({})", way.name());
            match &killed.recorded {
                Some(record) => println!("the record that it left:\n{}", serde_json::to_string_pretty(record)?),
                None => println!("it left no record"),
            }
            println!("the next controller has to go on at: {}", killed.first.as_deref().unwrap_or("nothing"));
            let kept = killed.goes_on().await?;
            println!("it did; {kept} effects were done before, none of them again, and nothing was made twice or left");
            return Ok(true);
        }
    }
    println!("no such crossing; these are the ones of a run:");
    for way in [Way::Forward, Way::Deletion] {
        for crossing in crossings(servers, way).await? {
            println!("  {}  {crossing}", way.name());
        }
    }
    Ok(false)
}

/// The crossings of an undisturbed run.
async fn crossings(servers: &Servers, way: Way) -> Result<Vec<String>, DemoError> {
    let mut stage = Stage::new(servers).await?;
    let mut child = Child::start(&stage, &[])?;
    child.until("ready").await?;
    child.ended().await?;
    let forward: Vec<_> = child.crossings().map(str::to_owned).collect();
    stage.worker.deleting = true;
    let mut child = Child::start(&stage, &[])?;
    child.until("gone").await?;
    Ok(if way == Way::Forward { forward } else { child.crossings().map(str::to_owned).collect() })
}

/// A world whose controller was killed.
struct Killed {
    stage: Stage,
    way: Way,
    recorded: Option<Record>,
    /// Where the next one has to go on.
    first: Option<String>,
}

impl Killed {
    async fn at(servers: &Servers, way: Way, crossing: &str) -> Result<Self, DemoError> {
        let mut stage = Stage::new(servers).await?;
        if way == Way::Deletion {
            let mut child = Child::start(&stage, &[])?;
            child.until("ready").await?;
            child.ended().await?;
            stage.worker.deleting = true;
        }
        let mut child = Child::start(&stage, &["--stop-at", crossing])?;
        child.until("at ").await?;
        child.kill().await?;
        drop(stage.world.calls.take());
        let recorded = stage.record()?;
        let first = first_crossing(recorded.as_ref(), way == Way::Deletion);
        Ok(Self { stage, way, recorded, first })
    }

    /// Lets the next controller go on, and then deletes the worker. Gives how many effects were done already, and not again.
    async fn goes_on(mut self) -> Result<usize, DemoError> {
        let wrong = |what: String| Err(DemoError::Controller(what));
        let mut child = Child::start(&self.stage, &[])?;
        child.until(if self.way == Way::Forward { "ready" } else { "gone" }).await?;
        let first = child.crossings().find(|it| !it.starts_with("load:"));
        if first != self.first.as_deref() {
            return wrong(format!("went on at {first:?}, and the record says {:?}", self.first));
        }
        let calls = self.stage.world.calls.take();
        let done = self.recorded.iter().flat_map(|record| &record.undo);
        let done = done.filter(|it| self.way == Way::Forward || it.transition != "authorize_route");
        let mut kept = 0;
        for effect in done {
            if let Some(call) = repeats(effect, &self.stage.worker, &calls).first() {
                return wrong(format!("has done {} again: {} {}", effect.transition, call.method, call.path));
            }
            kept += 1;
        }
        if self.way == Way::Forward {
            let (stage, inventory) = (&self.stage, self.stage.inventory().await?);
            let worker = &stage.worker;
            if inventory.duplicates(worker) + inventory.missing(worker) + inventory.orphans(worker) > 0 {
                return wrong(format!("left {inventory}"));
            }
            self.stage.worker.deleting = true;
            child.ended().await?;
            child = Child::start(&self.stage, &[])?;
            child.until("gone").await?;
        }
        let inventory = self.stage.inventory().await?;
        if inventory.orphans(&self.stage.worker) > 0 || self.stage.record_path().exists() {
            return wrong(format!("left {inventory} after deletion"));
        }
        Ok(kept)
    }
}
