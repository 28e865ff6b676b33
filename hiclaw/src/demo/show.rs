//! The linear create next to the durable machine, both with the same fault: the gateway goes down at step 4, and the controller is killed.

use std::time::Duration;

use super::child::Child;
use super::resume::first_crossing;
use super::stage::Stage;
use super::{DemoError, Servers};

/// What one of them has left.
struct Left {
    /// Beyond what a ready worker has, or missing.
    while_ready: usize,
    /// Of nobody, once the worker is deleted.
    after_deletion: usize,
}

/// Shows both. True if ours was complete, made nothing twice and left nothing behind.
pub(super) async fn both(servers: &Servers) -> Result<bool, DemoError> {
    println!(
        "HiClaw provisions a worker in eight steps: Matrix account, room, gateway consumer, AI route, configuration, its upload,"
    );
    println!(
        "skills, container. A controller is a process of its own here, and wherever it is killed, it is with SIGKILL.\n"
    );
    let stand_ins_alone =
        [&servers.matrix, &servers.higress, &servers.docker, &servers.s3].iter().all(|it| it.is_none());
    let naive = match stand_ins_alone {
        true => Some(naive(servers).await?),
        false => {
            println!("1. The linear create is left out: it would leave orphans on your servers\n");
            None
        }
    };
    let ours = ours(servers).await?;
    println!("{:<36} {:>24} {:>24}", "", "wrong while it is ready", "orphans once deleted");
    if let Some(naive) = naive {
        println!("{:<36} {:>24} {:>24}", "the linear create", naive.while_ready, naive.after_deletion);
    }
    println!("{:<36} {:>24} {:>24}", "the durable machine", ours.while_ready, ours.after_deletion);
    Ok(ours.while_ready + ours.after_deletion == 0)
}

async fn naive(servers: &Servers) -> Result<Left, DemoError> {
    println!("1. The linear create, without a record of steps");
    let mut stage = begin(servers).await?;
    let mut child = Child::start(&stage, &["--naive", "--stop-at", "step-4#1"])?;
    watch(&stage, &mut child, "at ").await?;
    println!("   It stands before step 4. The gateway goes down, and the controller is killed.");
    stage.world.higress.stop().await;
    child.kill().await?;
    println!("   The next controller begins at step 1, each time that it tries:");
    let mut child = Child::start(&stage, &["--naive"])?;
    for _ in 0..3 {
        println!("   -> {}", watch(&stage, &mut child, "failed").await?);
    }
    println!("   The gateway is up again:");
    stage.world.higress.resume().await?;
    watch(&stage, &mut child, "ready").await?;
    println!("   -> ready. What the servers say is there:");
    let ready = stage.inventory().await?;
    print!("{}", ready.table(&stage.worker));
    let while_ready = ready.duplicates(&stage.worker) + ready.missing(&stage.worker) + ready.orphans(&stage.worker);
    println!("   The worker is deleted, as well as a controller can that knows only the last room:");
    stage.worker.deleting = true;
    let mut child = Child::start(&stage, &["--naive"])?;
    watch(&stage, &mut child, "gone").await?;
    println!("   -> gone. What the servers say is left:");
    let gone = stage.inventory().await?;
    println!("{}", gone.table(&stage.worker));
    Ok(Left { while_ready, after_deletion: gone.orphans(&stage.worker) })
}

async fn ours(servers: &Servers) -> Result<Left, DemoError> {
    println!("2. The same flow as a durable machine");
    let mut stage = begin(servers).await?;
    let mut child = Child::start(&stage, &["--stop-at", "authorize_route/effect:before#1"])?;
    watch(&stage, &mut child, "at ").await?;
    if stage.gateway_is_ours {
        println!("   It stands before step 4, authorize_route. The gateway goes down, and the controller is killed.");
        stage.world.higress.stop().await;
    } else {
        println!("   It stands before step 4, authorize_route, and is killed. The gateway is yours, and stays up.");
    }
    child.kill().await?;
    println!("   The record, in {}:", stage.record_path().display());
    let record = stage.record()?;
    println!("   {}", serde_json::to_string(&record)?);
    let first = first_crossing(record.as_ref(), false).unwrap_or_default();
    println!("   The next controller has to go on at {first}:");
    let mut child = Child::start(&stage, &[])?;
    println!("   -> it does: {}", watch(&stage, &mut child, &format!("cross {first}")).await?);
    if stage.gateway_is_ours {
        println!("   -> {} ms, for the gateway does not answer", watch(&stage, &mut child, "waits ").await?);
        println!("   The gateway is up again:");
        stage.world.higress.resume().await?;
    }
    watch(&stage, &mut child, "ready").await?;
    println!("   -> ready. What the servers say is there:");
    let ready = stage.inventory().await?;
    print!("{}", ready.table(&stage.worker));
    let while_ready = ready.duplicates(&stage.worker) + ready.missing(&stage.worker) + ready.orphans(&stage.worker);
    println!("   The worker is deleted: everything is undone, the last first.");
    stage.worker.deleting = true;
    child.ended().await?;
    let mut child = Child::start(&stage, &[])?;
    watch(&stage, &mut child, "gone").await?;
    println!(
        "   -> gone. What the servers say is left (the account is declared `retain`, for its name stays taken for ever):"
    );
    let gone = stage.inventory().await?;
    println!("{}", gone.table(&stage.worker));
    if stage.record_path().exists() {
        return Err(DemoError::Controller("left its record behind".to_owned()));
    }
    Ok(Left { while_ready, after_deletion: gone.orphans(&stage.worker) })
}

async fn begin(servers: &Servers) -> Result<Stage, DemoError> {
    let stage = Stage::new(servers).await?;
    let of = |url: &str, given: bool| format!("{url}{}", if given { "" } else { " (stand-in)" });
    println!("   matrix   {}", of(&stage.urls.matrix, servers.matrix.is_some()));
    println!("   higress  {}", of(&stage.urls.higress, servers.higress.is_some()));
    println!("   docker   {}", of(&stage.urls.docker, servers.docker.is_some()));
    println!("   s3       {}", of(&stage.urls.s3, servers.s3.is_some()));
    Ok(stage)
}

/// Waits for a line of the controller, and shows each call that the stand-ins see as it is made.
async fn watch(stage: &Stage, child: &mut Child, beginning: &str) -> Result<String, DemoError> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let waiting = child.until(beginning);
    tokio::pin!(waiting);
    loop {
        let line = tokio::select! {
            line = &mut waiting => Some(line?),
            _ = tick.tick() => None,
        };
        for call in stage.world.calls.take().iter().filter(|call| call.path != "/session/login") {
            println!("      {:<8} {:<7} {} -> {}", call.server, call.method, call.path, call.status);
        }
        if let Some(line) = line {
            return Ok(line);
        }
    }
}
