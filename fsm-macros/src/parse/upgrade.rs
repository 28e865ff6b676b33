//! `upgrade(from = 1, Ready => NeedsFirewall)`. Invariant: whatever stands in it is kept with its token.

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Ident, LitInt, Token};

/// Where records of older versions go on.
pub(crate) struct UpgradeDecl {
    /// The last version that it is for.
    pub(crate) from: u32,
    pub(crate) span: Span,
    /// A state, or a transition that is a branch by now.
    pub(crate) of: Ident,
    pub(crate) to: Ident,
}

const EXAMPLE: &str =
    "`upgrade` says where records of older versions go on, as in `upgrade(from = 1, Ready => NeedsFirewall)`";

impl UpgradeDecl {
    pub(super) fn read(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<Vec<Self>> {
        let value =
            value.filter(|value| value.peek(syn::token::Paren)).ok_or_else(|| syn::Error::new(key.span(), EXAMPLE))?;
        let inside;
        syn::parenthesized!(inside in value);
        let wrong = |error: syn::Error| syn::Error::new(error.span(), EXAMPLE);
        let word: Ident = inside.parse().map_err(wrong)?;
        if word != "from" {
            return Err(syn::Error::new(word.span(), EXAMPLE));
        }
        inside.parse::<Token![=]>().map_err(wrong)?;
        let number: LitInt = inside.parse().map_err(wrong)?;
        let from = number.base10_parse().map_err(wrong)?;
        let mut upgrades = Vec::new();
        while inside.peek(Token![,]) {
            inside.parse::<Token![,]>()?;
            if inside.is_empty() {
                break;
            }
            let of = inside.parse().map_err(wrong)?;
            inside.parse::<Token![=>]>().map_err(wrong)?;
            let to = inside.parse().map_err(wrong)?;
            upgrades.push(Self { from, span: number.span(), of, to });
        }
        if upgrades.is_empty() || !inside.is_empty() {
            return Err(syn::Error::new(key.span(), EXAMPLE));
        }
        Ok(upgrades)
    }
}
