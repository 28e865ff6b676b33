//! What an operator asks for in texts, as a command line or a form has them. Invariant: a wish becomes a request only if the graph declares every name
//! in it, and no placeholder is left.

use serde_json::Value;

use crate::Facts;
use crate::graph::Graph;
use crate::operator::Request;
use crate::record::Resolution;

/// Stands in an [`Offer`](super::Offer) for a value that only the provider knows.
const PLACEHOLDER: &str = "VALUE";

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Tries again now.
    Retry,
    /// Undoes everything and begins again.
    RollBack,
    /// Ends the steps that a deletion began with, or leaves behind the thing at which it stands.
    Waive,
    /// Pauses the resource.
    Pause,
    /// Ends a pause.
    Resume,
    /// Gives the record to the resource with this uid.
    Rebind {
        /// The uid.
        uid: String,
    },
    /// The effect in doubt did not happen.
    NotApplied {
        /// Its transition.
        transition: String,
    },
    /// The effect in doubt happened.
    Applied {
        /// Its transition.
        transition: String,
        /// The facts that the reached state adds. A value is JSON, or a text if the fact is declared as one or the value is no JSON.
        facts: Vec<(String, String)>,
        /// The reached state, where the effect may lead to several.
        to: Option<String>,
        /// What was made for the subject of a set.
        value: Option<String>,
    },
}

/// Why a wish is no request to this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WishError {
    /// There is no such transition.
    #[error("the machine has no transition `{0}`")]
    NoTransition(String),
    /// The transition leads to more than one state.
    #[error("`{transition}` may lead to {states}; say which with `--to`")]
    SeveralStates {
        /// The transition.
        transition: String,
        /// The names of the states.
        states: String,
    },
    /// The state does not add this fact.
    #[error("{state} adds no fact `{fact}`")]
    NoFact {
        /// The state.
        state: String,
        /// The fact.
        fact: String,
    },
    /// A value was left as it was offered.
    #[error("`VALUE` in `{0}=VALUE` is a placeholder; look at the provider for the value of {0}")]
    Placeholder(String),
}

impl Wish {
    /// The request, and the transition that it is about, for [`Expected`](crate::record::Expected).
    ///
    /// # Errors
    /// [`WishError`] if the graph does not declare a name in it, or a value is still a placeholder.
    pub fn request(&self, graph: &Graph<'_>) -> Result<(Request, Option<String>), WishError> {
        let resolved = |resolution| Ok((Request::Resolve(resolution), None));
        match self {
            Wish::Retry => resolved(Resolution::Retry),
            Wish::RollBack => resolved(Resolution::RollBack),
            Wish::Waive => resolved(Resolution::Waive),
            Wish::Pause => Ok((Request::Pause, None)),
            Wish::Resume => Ok((Request::Resume, None)),
            Wish::Rebind { uid } => Ok((Request::Rebind { uid: uid.clone() }, None)),
            Wish::NotApplied { transition } => Ok((Request::Resolve(Resolution::NotApplied), Some(transition.clone()))),
            Wish::Applied { transition, facts, to, value } => {
                let resolution = applied(graph, transition, facts, to.as_deref(), value.as_deref())?;
                Ok((Request::Resolve(resolution), Some(transition.clone())))
            }
        }
    }
}

fn applied(
    graph: &Graph<'_>,
    transition: &str,
    given: &[(String, String)],
    to: Option<&str>,
    value: Option<&str>,
) -> Result<Resolution, WishError> {
    let (_, step) = graph.transition(transition).ok_or_else(|| WishError::NoTransition(transition.to_owned()))?;
    if step.for_each().is_some() {
        return match value {
            Some(PLACEHOLDER) => Err(WishError::Placeholder("--value".to_owned())),
            value => Ok(Resolution::AppliedMember { value: value.map_or(Value::Null, |text| parsed(text, None)) }),
        };
    }
    let named = |index: &usize| graph.states[*index].name;
    let state = match (to, step.to) {
        (Some(to), _) => to.to_owned(),
        (None, [only]) => named(only).to_owned(),
        (None, several) => {
            let states = several.iter().map(named).collect::<Vec<_>>().join(" or ");
            return Err(WishError::SeveralStates { transition: transition.to_owned(), states });
        }
    };
    let mut facts = Vec::new();
    for (fact, value) in given {
        if value == PLACEHOLDER {
            return Err(WishError::Placeholder(fact.clone()));
        }
        let declared = graph.state(&state).and_then(|(_, state)| state.facts.iter().find(|it| it.name == fact));
        let declared = declared.ok_or_else(|| WishError::NoFact { state: state.clone(), fact: fact.clone() })?;
        facts.push((fact.clone(), parsed(value, Some(declared.ty))));
    }
    Ok(Resolution::Applied { state, facts: facts.into_iter().collect::<Facts>() })
}

/// A value as it was typed. What is declared as a text is taken as it stands.
fn parsed(text: &str, ty: Option<&str>) -> Value {
    let as_text = || Value::from(text);
    if ty == Some("String") { as_text() } else { serde_json::from_str(text).unwrap_or_else(|_| as_text()) }
}
