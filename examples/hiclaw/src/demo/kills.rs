//! A kill at every crossing. Invariant: each kill is a real SIGKILL of a real process, and it is counted only if the process stood at the
//! crossing.

use tokio::task::JoinSet;

use super::child::Child;
use super::{DemoError, Stage};

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

/// Kills a controller at every crossing of the worker's flow.
pub(super) async fn at_every_crossing(at_once: usize) -> Result<bool, DemoError> {
    let mut plan = Vec::new();
    for way in [Way::Forward, Way::Deletion] {
        plan.extend(crossings(way).await?.into_iter().map(|crossing| (way, crossing)));
    }
    let total = plan.len();
    println!("{total} crossings, one kill at each");
    let (mut running, mut kills, mut failures) = (JoinSet::new(), 0, Vec::new());
    let mut plan = plan.into_iter();
    loop {
        while running.len() < at_once.max(1)
            && let Some((way, crossing)) = plan.next()
        {
            running.spawn(async move {
                let result = kill(way, &crossing).await;
                (way, crossing, result)
            });
        }
        let Some(done) = running.join_next().await else { break };
        let (way, crossing, result) = done.map_err(|error| DemoError::Controller(error.to_string()))?;
        kills += 1;
        match result {
            Ok(()) => println!("  {kills:>3}/{total}  {}  {crossing}", way.name()),
            Err(error) => {
                println!("  {kills:>3}/{total}  {}  {crossing}  FAILED: {error}", way.name());
                failures.push(crossing);
            }
        }
    }
    println!("{kills} kills, {} failures", failures.len());
    if kills < 80 {
        return Err(DemoError::Controller(format!("was killed {kills} times, and at least 80 were promised")));
    }
    Ok(failures.is_empty())
}

/// Kills a controller at one crossing, wherever it comes.
pub(super) async fn at_one_crossing(crossing: &str) -> Result<bool, DemoError> {
    for way in [Way::Forward, Way::Deletion] {
        if crossings(way).await?.iter().any(|it| it == crossing) {
            kill(way, crossing).await?;
            println!(
                "killed at {crossing} ({}); the next controller went on, and nothing was made twice or left",
                way.name()
            );
            return Ok(true);
        }
    }
    println!("no such crossing; these are the ones of a run:");
    for way in [Way::Forward, Way::Deletion] {
        for crossing in crossings(way).await? {
            println!("  {}  {crossing}", way.name());
        }
    }
    Ok(false)
}

/// The crossings of an undisturbed run.
async fn crossings(way: Way) -> Result<Vec<String>, DemoError> {
    let mut stage = Stage::new().await?;
    let mut child = Child::start(&stage, &[])?;
    child.until("ready").await?;
    if way == Way::Deletion {
        stage.worker.deleting = true;
        child = Child::start(&stage, &[])?;
        child.until("gone").await?;
    }
    Ok(child.said.iter().filter_map(|line| line.strip_prefix("cross ")).map(str::to_owned).collect())
}

async fn kill(way: Way, crossing: &str) -> Result<(), DemoError> {
    let mut stage = Stage::new().await?;
    let wrong = |what: String| Err(DemoError::Controller(what));
    if way == Way::Deletion {
        Child::start(&stage, &[])?.until("ready").await?;
        stage.worker.deleting = true;
    }
    let mut child = Child::start(&stage, &["--stop-at", crossing])?;
    child.until("at ").await?;
    child.kill().await?;
    let recorded = blake3::hash(&stage.record()).to_hex();
    let mut child = Child::start(&stage, &[])?;
    let resumed = child.until("resume ").await?;
    if resumed.strip_prefix("resume ") != Some(recorded.as_str()) {
        return wrong("did not resume from the record that the killed one left".to_owned());
    }
    if way == Way::Forward {
        child.until("ready").await?;
        let inventory = stage.inventory().await?;
        if inventory.duplicates(&stage.worker) + inventory.missing(&stage.worker) > 0 {
            return wrong(format!("left {inventory}"));
        }
        stage.worker.deleting = true;
        child = Child::start(&stage, &[])?;
    }
    child.until("gone").await?;
    let inventory = stage.inventory().await?;
    if inventory.left() > 0 || stage.record_path().exists() {
        return wrong(format!("left {inventory} after deletion"));
    }
    Ok(())
}
