//! `fsm`, the operator's command: lists, explains and resolves the resources of durable-fsm controllers.

mod args;
mod backend;
mod change;
mod check;
#[cfg(feature = "cluster")]
mod cluster;
mod code;
mod copy;
mod directory;
mod draw;
mod error;
mod files;
mod filter;
mod fleet;
mod graphs;
mod kept;
mod place;
mod row;
mod shell;
mod show;
mod table;
mod text;
mod verb;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Args, Command};
use code::FINE;
use error::Error;
use fleet::Fleet;
use text::Paint;

fn main() -> ExitCode {
    let args = Args::parse();
    let paint = Paint::new(args.color);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Error::Runtime).and_then(|runtime| runtime.block_on(run(args, paint)));
    match done {
        Ok(code) => ExitCode::from(code),
        // The reader has closed the pipe, as `| head` does.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // There is no place left to report an error to.
            writeln!(std::io::stderr(), "fsm: {}", text::plain(&error.to_string())).ok();
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args, paint: Paint) -> Result<u8, Error> {
    let Args { mut place, graph, json, command, .. } = args;
    if let Command::Check { directory: Some(directory) } = &command {
        place.dir.clone_from(directory);
    }
    let fleet = || async { Fleet::read(place::open(&place).await?, &graph).await };
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "fsm", &mut std::io::stdout());
            Ok(FINE)
        }
        Command::List(list) if list.watch => watch::list(fleet, &list, json, paint).await,
        Command::List(list) => table::list(&fleet().await?, &list, json, paint),
        Command::Show { name, machine } => show::show(&fleet().await?, &name, machine.as_deref(), json, paint),
        Command::History(select) => show::history(&fleet().await?, &select, json, paint),
        Command::Plan { name, machine } => show::plan(&fleet().await?, &name, machine.as_deref(), json),
        Command::Graph(of) => draw::draw(&place, &graph, &of, paint).await,
        Command::Check { .. } => check::check(&fleet().await?, json),
        Command::Export { file } => copy::export(&fleet().await?, file.as_deref()).await,
        Command::Import { file } => copy::import(&place, &file).await,
        Command::Verb(verb) => verb::carry_out(&fleet().await?, &verb, json, paint).await,
    }
}
