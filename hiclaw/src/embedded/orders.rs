//! What a person asks of a resource. Invariant: an order is carried out on the record as it is then, or refused with the reason.

use durable_fsm::controller::Handle;
use durable_fsm::record::{Expected, Resolution};
use durable_fsm::{Facts, OperateError, Operator, Request, ResourceId, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kind::Kind;

/// An order about one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) wish: Wish,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wish {
    Retry,
    NotApplied,
    Applied { state: String, facts: Map<String, Value> },
    AppliedMember(Value),
    RollBack,
    Waive,
    Pause,
    Resume,
    Release,
}

/// Carries orders out, in a running controller or without one.
pub(super) struct Orders {
    operators: [Operator; 3],
    handles: Option<[Handle; 3]>,
}

impl Orders {
    /// To running controllers.
    pub(super) fn to(operators: [Operator; 3], handles: [Handle; 3]) -> Self {
        Self { operators, handles: Some(handles) }
    }

    /// To records that no controller works on.
    pub(super) fn at(store: &(impl Store + Clone)) -> Self {
        Self { operators: Kind::ALL.map(|kind| Operator::new(kind.graph(), store.clone())), handles: None }
    }

    /// Carries an order out, and says what was done.
    pub(super) async fn carry_out(&self, order: &Order) -> Result<String, OperateError> {
        let id = ResourceId::new(&order.namespace, &order.name);
        let at = order.kind as usize;
        let Some(operator) = self.operators.get(at) else { return Err(OperateError::NoRecord(id)) };
        let resolution = match &order.wish {
            Wish::Retry => Resolution::Retry,
            Wish::NotApplied => Resolution::NotApplied,
            Wish::Applied { state, facts } => {
                let mut given = Facts::default();
                for (name, value) in facts {
                    given.put(name, value)?;
                }
                Resolution::Applied { state: state.clone(), facts: given }
            }
            Wish::AppliedMember(value) => Resolution::AppliedMember { value: value.clone() },
            Wish::RollBack => Resolution::RollBack,
            Wish::Waive => Resolution::Waive,
            Wish::Pause => return self.ask(operator, at, &id, &Request::Pause).await,
            Wish::Resume => return self.ask(operator, at, &id, &Request::Resume).await,
            Wish::Release => {
                let released = operator.release(&id).await?;
                let left = released.left.iter().map(|left| {
                    let doubt = if left.in_doubt { ", which may not exist" } else { "" };
                    let subject = left.subject.as_deref().map(|it| format!("({it})")).unwrap_or_default();
                    format!("\n  {}{subject}, key {}{doubt}", left.transition, left.key)
                });
                return Ok(format!("released {id}; what it leaves behind:{}", left.collect::<String>()));
            }
        };
        self.ask(operator, at, &id, &Request::Resolve(resolution)).await
    }

    async fn ask(
        &self,
        operator: &Operator,
        at: usize,
        id: &ResourceId,
        request: &Request,
    ) -> Result<String, OperateError> {
        let record = operator.carry_out(id, request, &Expected::default()).await?;
        if let Some(handle) = self.handles.as_ref().and_then(|handles| handles.get(at)) {
            handle.wake(id);
        }
        Ok(format!("{id} is in {} (sequence number {})", record.state, record.seq))
    }
}
