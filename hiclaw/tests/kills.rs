//! SIGKILL of a real controller process at every crossing of the worker's flow, forward and during deletion. A program of its own and no
//! test function, because the processes that it kills are itself.

use std::process::ExitCode;

use clap::Parser as _;
use hiclaw::command::Arguments;
use hiclaw::demo::at_every_crossing;

const NAME: &str = "a_kill_at_every_crossing_is_survived";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|it| it == "controller") {
        return Arguments::parse().run();
    }
    if arguments.iter().any(|it| it == "--list") {
        println!("{NAME}: test");
        return ExitCode::SUCCESS;
    }
    let mut filters = arguments.iter().filter(|it| !it.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|it| NAME.contains(it.as_str())) {
        println!("{NAME} ... filtered out");
        return ExitCode::SUCCESS;
    }
    let servers = Arguments::parse_from(["hiclaw"]).demo.servers;
    let kills = at_every_crossing(&servers, 16).unwrap();
    assert!(kills.is_as_promised(), "{kills:#?}");
    assert!(kills.effects_kept > kills.kills, "{kills:#?}");
    println!("{NAME} ... ok");
    ExitCode::SUCCESS
}
