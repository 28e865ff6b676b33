//! The linear create beside the durable machine, with the same fault: the gateway goes down before step 4, and the controller is killed. Invariant:
//! one function does it to both, and what it counts are the calls that the servers have seen.

use std::time::{Duration, SystemTime};

use durable_fsm::diagram::{Live, terminal};

use super::child::Child;
use super::error::DemoError;
use super::servers::Servers;
use super::stage::Stage;
use crate::servers::Call;
use crate::worker::WorkerFlow;

/// A step, and the call that makes something in it.
struct Step {
    name: &'static str,
    /// Method, and what the path ends with or contains.
    call: Option<(&'static str, &'static str)>,
}

const STEPS: [Step; 8] = [
    Step { name: "1  Matrix account", call: Some(("POST", "/register")) },
    Step { name: "2  room", call: Some(("POST", "/createRoom")) },
    Step { name: "3  gateway consumer", call: Some(("POST", "/v1/consumers")) },
    Step { name: "4  AI route", call: Some(("PUT", "/v1/ai/routes/default")) },
    Step { name: "5  configuration", call: None },
    Step { name: "6  its upload", call: Some(("PUT", "/openclaw.json")) },
    Step { name: "7  skills", call: Some(("PUT", "/SKILL.md")) },
    Step { name: "8  container", call: Some(("POST", "/containers/create")) },
];

/// How often the next controller meets the gateway down.
const TRIES: usize = 3;

/// Who makes the worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Linear,
    Durable,
}

impl Way {
    /// Where it is killed: before step 4 is done.
    const fn stops_at(self) -> &'static str {
        match self {
            Way::Linear => "step-4#1",
            Way::Durable => "authorize_route/effect:before#1",
        }
    }

    /// What it says when a try has failed.
    const fn failed(self) -> &'static str {
        match self {
            Way::Linear => "failed",
            Way::Durable => "waits",
        }
    }

    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Way::Linear => &["--naive"],
            Way::Durable => &[],
        }
    }
}

/// What came of it.
struct Told {
    /// The calls that made something, by step.
    made: [usize; 8],
    /// How much is there twice, or missing, or of no use, while the worker is ready.
    wrong: usize,
    /// How much is left of the worker after its deletion that should not be.
    orphans: usize,
    /// The record that the killed controller left, drawn.
    drawing: Option<String>,
}

/// Shows both. True if ours was complete, made nothing twice and left nothing behind.
pub(super) async fn both(servers: &Servers, show_calls: bool) -> Result<bool, DemoError> {
    println!(
        "A worker is made in eight steps at four servers. Before step 4 is done, the gateway goes down and the controller is killed"
    );
    println!(
        "with SIGKILL. The next one meets the gateway down {TRIES} times. Counted are the calls that made something.\n"
    );
    let own = [&servers.matrix, &servers.higress, &servers.docker, &servers.s3].iter().any(|it| it.is_some());
    // It would leave orphans on somebody's servers.
    let linear = if own { None } else { Some(run(Way::Linear, servers, show_calls).await?) };
    let durable = run(Way::Durable, servers, show_calls).await?;
    let row = |name: &str, of: &dyn Fn(&Told) -> String| {
        let linear = linear.as_ref().map_or_else(|| "left out".to_owned(), of);
        println!("  {name:<26} {linear:>14} {:>16}", of(&durable));
    };
    println!("  {:<26} {:>14} {:>16}", "step", "linear create", "durable machine");
    for (index, step) in STEPS.iter().enumerate() {
        let count = |told: &Told| told.made.get(index).copied().unwrap_or_default().to_string();
        row(step.name, &|told| if step.call.is_some() { count(told) } else { "-".to_owned() });
    }
    row("wrong while it is ready", &|told| told.wrong.to_string());
    row("orphans once it is deleted", &|told| told.orphans.to_string());
    if let Some(drawing) = &durable.drawing {
        println!("\nWhat the killed controller left, and the next one went on from:\n{}", drawing.trim_end());
    }
    Ok(durable.wrong + durable.orphans == 0)
}

async fn run(way: Way, servers: &Servers, show_calls: bool) -> Result<Told, DemoError> {
    let mut stage = Stage::new(servers).await?;
    let mut calls = Vec::new();
    let start = |stage: &Stage, more: &[&str]| Child::start(stage, &[way.arguments(), more].concat());
    let mut child = start(&stage, &["--stop-at", way.stops_at()])?;
    watch(&stage, &mut child, "at ", &mut calls, show_calls).await?;
    if stage.gateway_is_ours {
        stage.world.higress.stop().await;
    }
    child.kill().await?;
    let drawing = match way {
        Way::Linear => None,
        Way::Durable => stage.record()?.map(|record| {
            let live =
                Live::of(&WorkerFlow::GRAPH, format!("worker/{}", stage.worker.name), &record, SystemTime::now());
            terminal::write(&WorkerFlow::GRAPH, Some(&live.overlay()), &terminal::Options::from_env())
        }),
    };
    let mut child = start(&stage, &[])?;
    if stage.gateway_is_ours {
        for _ in 0..TRIES {
            watch(&stage, &mut child, way.failed(), &mut calls, show_calls).await?;
        }
        stage.world.higress.resume().await?;
    }
    watch(&stage, &mut child, "ready", &mut calls, show_calls).await?;
    child.ended().await?;
    let ready = stage.inventory().await?;
    let wrong = ready.duplicates(&stage.worker) + ready.missing(&stage.worker) + ready.orphans(&stage.worker);
    stage.worker.deleting = true;
    let mut child = start(&stage, &[])?;
    watch(&stage, &mut child, "gone", &mut Vec::new(), show_calls).await?;
    child.ended().await?;
    if stage.record_path().exists() {
        return Err(DemoError::Controller("left its record behind".to_owned()));
    }
    let orphans = stage.inventory().await?.orphans(&stage.worker);
    Ok(Told { made: STEPS.map(|step| count(&step, &calls)), wrong, orphans, drawing })
}

fn count(step: &Step, calls: &[Call]) -> usize {
    let Some((method, end)) = step.call else { return 0 };
    let made = |call: &&Call| call.method == method && call.path.ends_with(end) && (200..300).contains(&call.status);
    calls.iter().filter(made).count()
}

/// Waits for a line of the controller, and takes down each call that the stand-ins see meanwhile.
async fn watch(
    stage: &Stage,
    child: &mut Child,
    beginning: &str,
    calls: &mut Vec<Call>,
    show: bool,
) -> Result<String, DemoError> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let waiting = child.until(beginning);
    tokio::pin!(waiting);
    loop {
        let line = tokio::select! {
            line = &mut waiting => Some(line?),
            _ = tick.tick() => None,
        };
        for call in stage.world.calls.take() {
            if show {
                println!("      {:<8} {:<7} {} -> {}", call.server, call.method, call.path, call.status);
            }
            calls.push(call);
        }
        if let Some(line) = line {
            return Ok(line);
        }
    }
}
