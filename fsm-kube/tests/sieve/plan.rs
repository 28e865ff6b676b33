//! Plans: which faults strike where. Invariant: a plan names places by label, so it is text that is read as it was printed.

use std::fmt;
use std::str::FromStr;

use crate::fault::Fault;

/// One fault at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// The place's label, such as `first/patch-worker#2`.
    pub at: String,
    pub fault: Fault,
}

/// What strikes, in the order in which it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan(pub Vec<Strike>);

impl Plan {
    /// The same plan with one more fault.
    pub fn and(&self, at: &str, fault: Fault) -> Self {
        let mut strikes = self.0.clone();
        strikes.push(Strike { at: at.to_owned(), fault });
        Self(strikes)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        let strikes: Vec<String> = self.0.iter().map(|it| format!("{}={}", it.at, it.fault)).collect();
        f.write_str(&strikes.join("; "))
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "nothing" {
            return Ok(Self::default());
        }
        let strike = |text: &str| -> Result<Strike, String> {
            let (at, fault) = text.split_once('=').ok_or_else(|| format!("`{text}` is not PLACE=FAULT"))?;
            Ok(Strike { at: at.trim().to_owned(), fault: fault.trim().parse()? })
        };
        text.split(';').map(strike).collect::<Result<_, _>>().map(Self)
    }
}

#[test]
fn a_plan_is_read_as_it_was_printed() {
    for plan in [Plan::default(), Plan::default().and("first/get-worker#1", Fault::Previous).and("x#2", Fault::Drop)] {
        assert_eq!(plan.to_string().parse(), Ok(plan));
    }
    assert!("first/get-worker#1".parse::<Plan>().unwrap_err().contains("is not PLACE=FAULT"));
    assert!("x#1=boom".parse::<Plan>().unwrap_err().contains("there is no fault `boom`; there are previous, first,"));
}
