//! Starts the servers, kills controllers, and shows what is left: see `--help`.

use std::process::ExitCode;

use clap::Parser as _;
use hiclaw::command::Arguments;

fn main() -> ExitCode {
    Arguments::parse().run()
}
