//! The command line.
//!
//! Invariant: `--help` explains every command and option.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use durable_fsm::Phase;

/// Lists, explains and resolves the resources of durable-fsm controllers.
///
/// Reading works while the controller runs. To change a record in a directory, stop the controller first. On a cluster, the controller carries out the change.
#[derive(Debug, Parser)]
#[command(name = "fsm", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A lock file of a machine, in addition to the graphs that its controller keeps. May be given more than once.
    #[arg(long, global = true, env = "FSM_GRAPH", value_delimiter = ',', value_name = "FILE")]
    pub(crate) graph: Vec<PathBuf>,
    /// Answers in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours. `auto` asks the terminal, `NO_COLOR` and `TERM`.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the records are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// The record directory.
    #[arg(long, short = 'C', global = true, env = "FSM_DIR", default_value = "records", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) cluster: ClusterPlace,
}

/// Which resources of a cluster.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "On a Kubernetes cluster")]
pub(crate) struct ClusterPlace {
    /// Reads the resources of a Kubernetes cluster instead of a record directory. Not needed if the command is called `kubectl-fsm`.
    #[arg(long, global = true)]
    pub(crate) cluster: bool,
    /// The context of the kubeconfig, instead of the current one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The namespace, instead of that of the context.
    #[arg(long, short, global = true, value_name = "NAME", conflicts_with = "all_namespaces")]
    pub(crate) namespace: Option<String>,
    /// All namespaces.
    #[arg(long, short = 'A', global = true)]
    pub(crate) all_namespaces: bool,
    /// The namespace in which the controllers keep the graphs of their machines, instead of any.
    #[arg(long, global = true, env = "FSM_CONTROLLERS", value_name = "NAMESPACE")]
    pub(crate) controllers: Option<String>,
    /// Only this kind of resource.
    #[arg(long, global = true, value_name = "PLURAL.GROUP")]
    pub(crate) kind: Option<String>,
    /// For how many seconds to wait until the controller has carried out a change.
    #[arg(long, global = true, default_value_t = 30, value_name = "SECONDS")]
    pub(crate) wait: u64,
}

impl Place {
    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster.cluster || crate::shell::is_plugin()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists resources: machine, state, phase, age, attempt and reason.
    List(List),
    /// Shows one resource: where it is in its machine, its facts, its undo list, what it waits for, and what may be asked for.
    Show {
        /// The resource, as `name` or `namespace/name`.
        name: String,
        /// The machine, where several have a resource of this name.
        #[arg(long, short)]
        machine: Option<String>,
    },
    /// Shows the last events of resources.
    History(Select),
    /// Says what comes next, as far as the record and the graph show.
    ///
    /// Guards and wanted sets are Rust code of the controller. Where the next step depends on one, the candidates are listed in the order in
    /// which the controller tries them. `Runner::plan` asks them.
    Plan {
        /// The resource, as `name` or `namespace/name`.
        name: String,
        /// The machine, where several have a resource of this name.
        #[arg(long, short)]
        machine: Option<String>,
    },
    /// Draws a machine, from a lock file or from the graphs that its controller keeps.
    Graph(Draw),
    /// Reads every record, and says which version of its machine wrote it. Exits with 1 if one cannot be read.
    Check {
        /// The record directory, instead of `--dir`.
        directory: Option<PathBuf>,
    },
    /// Writes all records as one JSON document.
    Export {
        /// The file to write; standard output if none is given.
        file: Option<PathBuf>,
    },
    /// Writes the records of an exported document into the directory. A record that is there already stays as it is, and is an error.
    Import {
        /// The exported document.
        file: PathBuf,
    },
    /// Prints the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Verb(Verb),
}

/// A phase, by its word.
fn phase() -> impl TypedValueParser<Value = Phase> {
    PossibleValuesParser::new(Phase::ALL.map(Phase::word)).try_map(|word| Phase::named(&word).ok_or("no such phase"))
}

/// Which resources.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Select {
    /// Resources, as `name` or `namespace/name`.
    pub(crate) names: Vec<String>,
    /// Only those of this machine.
    #[arg(long, short)]
    pub(crate) machine: Option<String>,
    /// Only those in this state.
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Only those in this phase: ready, progressing, blocked, held, deleting or paused.
    #[arg(long, value_parser = phase())]
    pub(crate) phase: Option<Phase>,
    /// Only those with this reason, such as `in-doubt`.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) select: Select,
    /// What to sort by.
    #[arg(long, value_enum, default_value_t = Sort::Name)]
    pub(crate) sort: Sort,
    /// Reverses the order.
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Lists again whenever something has changed, until it is interrupted.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Machine, then namespace and name.
    Name,
    /// The state, in declared order where the graph is known.
    State,
    /// What needs a person first.
    Phase,
    /// The oldest first.
    Since,
    /// The most attempts first.
    Attempt,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Draw {
    /// A lock file, or the name of a machine whose graph is kept. The only machine there, if none is given.
    pub(crate) of: Option<String>,
    /// The form.
    #[arg(long = "as", value_enum, default_value_t = Form::Text)]
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For the terminal.
    Text,
    Svg,
    Mermaid,
    /// Mermaid without folded parts.
    MermaidFlat,
    Dot,
    /// The lock file.
    Json,
}

/// What changes a record.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Verb {
    /// Tries again now: ends a wait between attempts, a block, or a hold whose cause is mended.
    Retry(Order),
    /// Says what became of an effect in doubt.
    #[command(group(clap::ArgGroup::new("outcome").required(true).args(["applied", "not_applied", "roll_back"])))]
    Resolve {
        #[command(flatten)]
        order: Order,
        /// The effect, which must be the one under way. Needed with `--applied` and `--not-applied`.
        #[arg(long, short)]
        transition: Option<String>,
        /// It happened.
        #[arg(long, requires = "transition")]
        applied: bool,
        /// It did not happen, and can no longer happen.
        #[arg(long, requires = "transition")]
        not_applied: bool,
        /// Undoes everything and begins again, whatever happened.
        #[arg(long)]
        roll_back: bool,
        /// A fact that the reached state adds, as `name=value`. A value that is not JSON is a text.
        #[arg(long, requires = "applied", value_name = "NAME=VALUE")]
        fact: Vec<String>,
        /// The reached state, where the effect may lead to several.
        #[arg(long, requires = "applied")]
        to: Option<String>,
        /// What was made for the subject of a set. A value that is not JSON is a text.
        #[arg(long, requires = "applied")]
        value: Option<String>,
    },
    /// Ends the steps that a deletion began with, or leaves behind the thing at which the deletion stands.
    Waive(Order),
    /// Pauses resources. Until they are resumed, no pass runs, not even for deletion.
    Pause(Order),
    /// Ends pauses.
    Resume(Order),
    /// Removes records, leaves everything outside as it is, and lists what is left behind.
    Release(Order),
    /// Gives the record to the resource that has this uid, after a restore or a move.
    Rebind {
        #[command(flatten)]
        order: Order,
        /// The uid. On a cluster it is the resource's own, and is not given.
        #[arg(long)]
        uid: Option<String>,
    },
    /// Has the controller ask the provider, in the next pass, whether everything is still there. On a cluster only.
    Verify(Order),
}

/// For which resources, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Order {
    #[command(flatten)]
    pub(crate) select: Select,
    /// All resources.
    #[arg(long)]
    pub(crate) all: bool,
    /// Changes without asking.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only shows what would be changed.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Verb {
    pub(crate) fn order(&self) -> &Order {
        match self {
            Verb::Retry(order)
            | Verb::Waive(order)
            | Verb::Pause(order)
            | Verb::Resume(order)
            | Verb::Release(order)
            | Verb::Verify(order) => order,
            Verb::Resolve { order, .. } | Verb::Rebind { order, .. } => order,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Verb::Retry(_) => "retry",
            Verb::Resolve { .. } => "resolve",
            Verb::Waive(_) => "waive",
            Verb::Pause(_) => "pause",
            Verb::Resume(_) => "resume",
            Verb::Release(_) => "release",
            Verb::Rebind { .. } => "rebind",
            Verb::Verify(_) => "verify",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Args::command().debug_assert();
    }
}
