//! What is asked on the command line, beside a controller or without one.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use durable_fsm::store::FileReader;
use durable_fsm::{OperateError, ResourceId, StoreError};
use serde_json::{Map, Value};

use super::orders::{Order, Orders, Wish};
use super::{EmbeddedError, control, describe, open};
use crate::clients::{Clients, Urls};
use crate::kind::Kind;
use crate::office::Office;
use crate::pace::Pace;
use crate::sweep::{self, SweepError};

/// Which resource.
#[derive(Debug, Clone, Args)]
pub struct Subject {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its namespace.
    #[arg(long, short, default_value = "default")]
    pub namespace: String,
    /// The state directory of the controller.
    #[arg(long, env = "HICLAW_STATE")]
    pub state: PathBuf,
}

/// What can be asked.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Lists what there is, from the records.
    Get {
        /// Only this kind.
        kind: Option<Kind>,
        /// The state directory of the controller.
        #[arg(long, env = "HICLAW_STATE")]
        state: PathBuf,
    },
    /// Draws where one resource is, and lists what was recorded of it.
    Describe(Subject),
    /// Tries one that is blocked or held again, now.
    Retry(Subject),
    /// Says what became of an effect in doubt.
    Resolve {
        /// Which resource.
        #[command(flatten)]
        of: Subject,
        /// What became of it.
        #[command(subcommand)]
        answer: Answer,
    },
    /// Stops all passes of one, until it is resumed.
    Pause(Subject),
    /// Ends a pause.
    Resume(Subject),
    /// Removes the record, leaves everything at the servers, and lists it.
    Release(Subject),
    /// Lists what is at the servers and no record knows of.
    Sweep(Box<Sweep>),
}

/// What to sweep.
#[derive(Debug, Clone, Args)]
pub struct Sweep {
    /// Where the servers are.
    #[command(flatten)]
    pub urls: Urls,
    /// Who we are to them.
    #[command(flatten)]
    pub office: Office,
    /// The state directory of the controller. It has to be the only controller on these servers: what another one has made looks like an orphan.
    #[arg(long, env = "HICLAW_STATE")]
    pub state: PathBuf,
    /// Removes it, too.
    #[arg(long)]
    pub delete: bool,
}

impl Sweep {
    async fn run(self) -> Result<(), VerbError> {
        let clients = Clients::new(&self.urls, Pace::REAL.patience()).map_err(SweepError::from)?;
        let administrator = self.office.administrator(&clients);
        let orphans = sweep::orphans(&clients, &administrator, &reader(&self.state)?).await?;
        for orphan in &orphans {
            println!("{orphan}");
        }
        if self.delete {
            sweep::remove(&clients, &administrator, &orphans).await?;
        }
        println!("{} orphans{}", orphans.len(), if self.delete { ", removed" } else { "; nothing was removed" });
        Ok(())
    }
}

/// What became of an effect.
#[derive(Debug, Clone, Subcommand)]
pub enum Answer {
    /// It did not happen. Look after its time is over.
    NotApplied,
    /// It happened.
    Applied {
        /// The state that it led to.
        state: String,
        /// What that state records, as `name=value`; a value is JSON, or a text.
        #[arg(long = "fact", value_parser = fact)]
        facts: Vec<(String, Value)>,
    },
    /// It happened for the member of the set that the record names.
    AppliedMember {
        /// What it made: JSON, or a text.
        value: String,
    },
    /// Undo everything, and begin again.
    RollBack,
    /// Leave behind what the way back stands at.
    Waive,
}

/// Why a verb was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerbError {
    /// The records cannot be opened.
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    /// The records cannot be read.
    #[error("the records in {0} cannot be read: {1}")]
    Read(PathBuf, std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be swept.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// The running controller could not be asked.
    #[error("the controller cannot be asked: {0}")]
    Control(std::io::Error),
    /// There is no such resource.
    #[error("{0} has no record")]
    Unknown(ResourceId),
    /// It was refused.
    #[error("refused: {0}")]
    Refused(String),
}

fn fact(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("give name=value")?;
    Ok((name.to_owned(), json_or_text(value)))
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

impl Verb {
    /// Carries it out, and prints what there is to say.
    ///
    /// # Errors
    /// [`VerbError`].
    pub async fn run(self) -> Result<(), VerbError> {
        let (of, wish) = match self {
            Verb::Get { kind, state } => {
                let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
                print!("{}", describe::table(&reader(&state)?, &kinds, SystemTime::now()).await?);
                return Ok(());
            }
            Verb::Describe(of) => {
                let id = of.id();
                let drawing = describe::drawing(&reader(&of.state)?, of.kind, &id, SystemTime::now()).await?;
                print!("{}", drawing.ok_or(VerbError::Unknown(id))?);
                return Ok(());
            }
            Verb::Sweep(sweep) => return sweep.run().await,
            Verb::Retry(of) => (of, Wish::Retry),
            Verb::Pause(of) => (of, Wish::Pause),
            Verb::Resume(of) => (of, Wish::Resume),
            Verb::Release(of) => (of, Wish::Release),
            Verb::Resolve { of, answer } => {
                let wish = match answer {
                    Answer::NotApplied => Wish::NotApplied,
                    Answer::Applied { state, facts } => Wish::Applied { state, facts: Map::from_iter(facts) },
                    Answer::AppliedMember { value } => Wish::AppliedMember(json_or_text(&value)),
                    Answer::RollBack => Wish::RollBack,
                    Answer::Waive => Wish::Waive,
                };
                (of, wish)
            }
        };
        println!("{}", of.give(wish).await?);
        Ok(())
    }
}

impl Subject {
    fn id(&self) -> ResourceId {
        ResourceId::new(&self.namespace, &self.name)
    }

    /// Gives an order to the controller that runs, or else to the records.
    async fn give(self, wish: Wish) -> Result<String, VerbError> {
        let id = self.id();
        let order = Order { kind: self.kind, namespace: self.namespace, name: self.name, wish };
        if let Some(answer) = control::order(&self.state, &order).await.map_err(VerbError::Control)? {
            return answer.map_err(VerbError::Refused);
        }
        match Orders::at(&open(&self.state)?).carry_out(&order).await {
            Ok(done) => Ok(done),
            Err(OperateError::NoRecord(_)) => Err(VerbError::Unknown(id)),
            Err(error) => Err(VerbError::Refused(error.to_string())),
        }
    }
}

fn reader(state: &Path) -> Result<FileReader, VerbError> {
    let records = state.join("records");
    FileReader::open(&records).map_err(|error| VerbError::Read(records, error))
}
