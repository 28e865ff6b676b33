//! Synapse itself: a controller that is killed at crossings of the flows of all three kinds, and a Synapse that is killed while it makes what it was asked
//! for. In the end Synapse's own administration is asked what there is. A program of its own and no test function, because the controllers that it
//! kills are itself.
//!
//! `HICLAW_SYNAPSE_KILLS=60` kills Synapse that often, and a controller at every crossing; `HICLAW_SKIP_SYNAPSE=1` leaves all of this out.

mod audit;
mod crashes;
#[cfg(feature = "embedded")]
mod kinds;
#[cfg(feature = "embedded")]
#[path = "../embedded/program.rs"]
#[expect(dead_code, reason = "the embedded controller's tests use the rest")]
mod program;
mod server;

use std::process::ExitCode;

use clap::Parser as _;
use hiclaw::command::Arguments;
use hiclaw::demo::at_crossings;
use server::Synapse;

/// How often Synapse is killed, unless more is asked for.
const KILLS: usize = 8;
/// One crossing in so many has a controller killed at it, unless more is asked for.
const STRIDE: usize = 8;
/// As [`STRIDE`], for the crossings of all three kinds.
#[cfg(feature = "embedded")]
const KINDS_STRIDE: usize = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|it| it == "controller") {
        return Arguments::parse().run();
    }
    const NAMES: [&str; 3] = [
        "a_controller_that_is_killed_goes_on",
        "a_synapse_that_is_killed_leaves_nothing_half_made",
        "a_controller_of_all_kinds_that_is_killed_goes_on",
    ];
    if arguments.iter().any(|it| it == "--list") {
        NAMES.iter().for_each(|name| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|it| name.contains(it.as_str()));
    if std::env::var_os("HICLAW_SKIP_SYNAPSE").is_some() {
        println!("SKIPPED, because HICLAW_SKIP_SYNAPSE is set: nothing was tested on a real homeserver");
        return ExitCode::SUCCESS;
    }
    let kills = std::env::var("HICLAW_SYNAPSE_KILLS").ok().map(|it| it.parse::<usize>().unwrap());
    if wanted(NAMES[1]) {
        crashes::run(kills.unwrap_or(KILLS));
        println!("{} ... ok", NAMES[1]);
    }
    if wanted(NAMES[0]) {
        controllers(if kills.is_some() { 1 } else { STRIDE });
        println!("{} ... ok", NAMES[0]);
    }
    #[cfg(feature = "embedded")]
    if wanted(NAMES[2]) {
        kinds::run(if kills.is_some() { 1 } else { KINDS_STRIDE });
        println!("{} ... ok", NAMES[2]);
    }
    ExitCode::SUCCESS
}

fn controllers(stride: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (synapse, token) = runtime.block_on(async {
        let synapse = Synapse::start().await.unwrap();
        let token = synapse.admin_token(&reqwest::Client::builder().no_proxy().build().unwrap()).await.unwrap();
        (synapse, token)
    });
    let mut servers = Arguments::parse_from(["hiclaw"]).demo.servers;
    servers.matrix = Some(synapse.url());
    servers.logins.matrix_admin_token = Some(token);
    let kills = at_crossings(&servers, 4, stride).unwrap();
    assert!(kills.failures.is_empty() && kills.resumed == kills.kills && kills.kills > 0, "{kills:#?}");
}
