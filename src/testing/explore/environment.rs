//! What the environment asks of a test. Invariant: a setting that would have nothing run is an error, and no setting is passed over.

use std::env::{self, VarError};

use crate::testing::plan::Plan;

/// What the environment variables say.
pub(super) struct Environment {
    /// The one plan that is to be run.
    pub(super) plan: Option<Plan>,
    /// How many faults in one run.
    pub(super) faults: Option<usize>,
    /// Runs do not end where others have been.
    pub(super) unabridged: bool,
}

impl Environment {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with one, as a text.
    pub(super) fn read() -> Result<Self, String> {
        let plan = variable("FSM_PLAN")?.map(|text| text.parse::<Plan>().map_err(|error| format!("FSM_PLAN: {error}")));
        let faults = match variable("FSM_FAULTS")? {
            None => None,
            Some(text) => match text.parse::<usize>() {
                Ok(0) => {
                    return Err("FSM_FAULTS=0 injects no fault, so nothing is tested; set it to 1 or more".to_owned());
                }
                Ok(faults) => Some(faults),
                Err(_) => return Err(format!("FSM_FAULTS=`{text}` is not a number; set it to 1 or more")),
            },
        };
        Ok(Self { plan: plan.transpose()?, faults, unabridged: variable("FSM_UNABRIDGED")?.is_some() })
    }
}

fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8")),
    }
}
