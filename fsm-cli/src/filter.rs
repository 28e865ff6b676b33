//! Selects resources by name, machine, state, phase and reason.
//!
//! Invariant: a name that does not exist is an error, never an empty selection.

use crate::args::Select;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::row::Row;

impl Select {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { names, machine, state, phase, reason } = self;
        names.is_empty() && machine.is_none() && state.is_none() && phase.is_none() && reason.is_none()
    }

    fn takes(&self, fleet: &Fleet, row: &Row) -> bool {
        let Self { names, machine, state, phase, reason } = self;
        let is_named = names.is_empty() || names.iter().any(|name| fleet.is_called(row, name));
        is_named
            && machine.as_ref().is_none_or(|machine| row.id.machine == *machine)
            && state.as_deref().is_none_or(|state| row.state() == Some(state))
            && phase.is_none_or(|phase| row.phase == phase)
            && reason.as_ref().is_none_or(|reason| row.reason == *reason)
    }

    /// The resources that are meant.
    pub(crate) fn of<'f>(&self, fleet: &'f Fleet) -> Result<Vec<&'f Row>, Error> {
        let is_there = |name: &&String| fleet.rows.iter().any(|row| fleet.is_called(row, name));
        if let Some(name) = self.names.iter().find(|name| !is_there(name)) {
            return Err(Error::NoResource { name: name.clone(), command: fleet.command(&["list"]) });
        }
        Ok(fleet.rows.iter().filter(|row| self.takes(fleet, row)).collect())
    }
}
