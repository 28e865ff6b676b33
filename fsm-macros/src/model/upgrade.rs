//! Where records of older versions go on. Invariant: what could not be resolved was reported, and is left out.

use durable_fsm_graph::{Upgrade, Upgraded};
use syn::ext::IdentExt as _;

use super::{Model, find_state};
use crate::errors::Errors;

impl Model {
    pub(super) fn upgrade(&mut self, errors: &mut Errors) {
        let mut upgrades = Vec::new();
        for typed in &self.declaration.upgrades {
            let branch = self.transitions.iter().position(|it| it.name.unraw() == typed.of.unraw());
            let of = match branch {
                Some(index) => Some(Upgraded::Branch(index)),
                None => find_state(&self.declaration, &typed.of, errors).map(Upgraded::State),
            };
            let to = find_state(&self.declaration, &typed.to, errors);
            if let (Some(of), Some(to)) = (of, to) {
                upgrades.push(Upgrade { from: typed.from, of, to });
            }
        }
        self.upgrades = upgrades;
    }
}
