//! The demonstration. Invariant: what it says of the world it has asked the servers, and what it says of the record it has read from the file.

mod child;
mod error;
mod kills;
mod resume;
mod servers;
mod show;
mod stage;

pub use error::DemoError;
pub use kills::{Kills, at_crossings, at_every_crossing};
pub use servers::Servers;

/// What to show, and on which servers.
#[derive(Debug, Clone, clap::Args)]
pub struct Demo {
    /// Shows each call as it is made.
    #[arg(long)]
    pub calls: bool,
    /// Kills a controller at this crossing, such as `create_room/effect:after#1`, and shows how the next one goes on.
    #[arg(long)]
    pub kill_at: Option<String>,
    /// Kills a controller at every crossing, forward and during deletion, each in a world of its own.
    #[arg(long)]
    pub kill_all: bool,
    /// How many of these worlds run at the same time.
    #[arg(long, default_value_t = 8)]
    pub at_once: usize,
    /// Which servers.
    #[command(flatten)]
    pub servers: Servers,
}

impl Demo {
    /// Gives the demonstration. True if ours left nothing behind.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn run(self) -> Result<bool, DemoError> {
        if self.kill_all {
            let kills = kills::crossings_in(&self.servers, self.at_once, 1).await?;
            return Ok(kills.is_as_promised());
        }
        if let Some(crossing) = &self.kill_at {
            return kills::at_one_crossing(&self.servers, crossing).await;
        }
        show::both(&self.servers, self.calls).await
    }
}
