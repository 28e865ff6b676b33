//! `fsm`, the operator's command: lists, explains and resolves the resources of durable-fsm controllers.

mod args;
mod backend;
mod check;
mod code;
mod copy;
mod draw;
mod error;
mod files;
mod filter;
mod fleet;
mod graphs;
mod phase;
mod row;
mod show;
mod table;
mod text;
mod verb;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Args, Command};
use backend::Directory;
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
    let Args { dir, graph, json, command, .. } = args;
    let fleet = || async { Fleet::read(Directory::open(&dir)?, &graph).await };
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "fsm", &mut std::io::stdout());
            Ok(FINE)
        }
        Command::List(list) => table::list(&fleet().await?, &list, json, paint),
        Command::Show { name, machine } => show::show(&fleet().await?, &name, machine.as_deref(), json, paint),
        Command::History(select) => show::history(&fleet().await?, &select, json, paint),
        Command::Plan { name, machine } => show::plan(&fleet().await?, &name, machine.as_deref(), json),
        Command::Graph(of) => draw::draw(&dir, &graph, &of, paint).await,
        Command::Check { directory } => {
            let directory = directory.unwrap_or(dir);
            check::check(&Fleet::read(Directory::open(&directory)?, &graph).await?, json)
        }
        Command::Export { file } => copy::export(&fleet().await?, file.as_deref()).await,
        Command::Import { file } => copy::import(&dir, &file).await,
        Command::Verb(verb) => verb::carry_out(&fleet().await?, &verb, json, paint).await,
    }
}
