//! One `#[transition(…)]`. Invariant: whatever can be read of it is kept, so that one mistake is not taken for others.

use std::time::Duration;

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitBool, LitStr, Token};

use super::keys::{self, flag, once, text, word};
use crate::{span, suggest};

/// One `#[transition(…)]`.
pub(crate) struct TransitionDecl {
    pub(crate) name: Ident,
    pub(crate) targets: Vec<Ident>,
    pub(crate) in_doubt: Option<Ident>,
    pub(crate) undo: Option<Ident>,
    pub(crate) retain_when: Option<Ident>,
    pub(crate) abort: Option<Ident>,
    pub(crate) when: Option<Ident>,
    pub(crate) for_each: Option<Ident>,
    pub(crate) keep: Option<Ident>,
    pub(crate) on: Option<Ident>,
    pub(crate) surge: Option<(u32, Span)>,
    pub(crate) predecessor: Option<Ident>,
    pub(crate) transport: Option<Ident>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) settle: Option<Duration>,
    pub(crate) within: Option<(Duration, Span)>,
    pub(crate) every: Option<(Duration, Span)>,
    pub(crate) retry: Option<(Duration, Duration)>,
    pub(crate) rejected: Option<EndDecl>,
    pub(crate) exhausted: Option<EndDecl>,
    pub(crate) overdue: Option<EndDecl>,
    /// What happens when what it made is gone: a word, a state, or the mark of one.
    pub(crate) lost: Option<EndDecl>,
    /// The method that says whether it is there.
    pub(crate) verify: Option<Ident>,
    pub(crate) attempts: Option<(u32, Span)>,
    pub(crate) give_up_after: Option<(Duration, Span)>,
    pub(crate) look_first: Option<LitBool>,
    pub(crate) no_effect: Option<Span>,
    pub(crate) waits: Option<Span>,
    pub(crate) rewind: Option<Span>,
    pub(crate) on_delete: Option<Span>,
    pub(crate) preempts: Option<Span>,
    pub(crate) retired: Option<Span>,
    pub(crate) was: Option<Vec<LitStr>>,
    /// A key was not understood; what it stands for is not missed too.
    pub(crate) broken: bool,
    /// The keys, as they were typed.
    pub(crate) keys: Vec<Ident>,
}

const KEYS: [&str; 31] = [
    "in_doubt",
    "undo",
    "retain_when",
    "abort",
    "when",
    "for_each",
    "keep",
    "on",
    "surge",
    "predecessor",
    "transport",
    "timeout",
    "settle",
    "within",
    "every",
    "retry",
    "rejected",
    "exhausted",
    "overdue",
    "lost",
    "verify",
    "attempts",
    "give_up_after",
    "look_first",
    "no_effect",
    "waits",
    "rewind",
    "on_delete",
    "preempts",
    "retired",
    "was",
];

/// Where a transition ends that cannot go on: a state, or the mark of one.
#[derive(Clone)]
pub(crate) struct EndDecl {
    pub(crate) key: Ident,
    pub(crate) target: Ident,
    pub(crate) back: bool,
}

impl EndDecl {
    /// Whether a person is asked, instead of going anywhere.
    pub(crate) fn holds(&self) -> bool {
        self.target == "hold" && !self.back
    }

    pub(super) fn read(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<Self> {
        let value = keys::value(key, value)?;
        let name = |value: &Expr| match value {
            Expr::Path(path) => path.path.get_ident().cloned(),
            _ => None,
        };
        let (target, back) = match &value {
            Expr::Call(call) if name(&call.func).is_some_and(|name| name == "rewind") => {
                (call.args.first().filter(|_| call.args.len() == 1).and_then(name), true)
            }
            value => (name(value), false),
        };
        let wrong = || {
            let words = if key == "lost" { "`remake`, `hold`, `ignore`, " } else { "`hold`, " };
            let text = format!(
                "`{key}` takes {words}a state, as in `{key} = Failed`, or the mark of one, as in `{key} = rewind(Requested)`"
            );
            syn::Error::new(syn::spanned::Spanned::span(&value), text)
        };
        Ok(Self { key: key.clone(), target: target.ok_or_else(wrong)?, back })
    }
}

/// A transition with the mistakes in its keys.
pub(super) struct Parsed {
    pub(super) transition: TransitionDecl,
    pub(super) errors: Vec<syn::Error>,
}

impl Parse for Parsed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any).map_err(|error| {
            syn::Error::new(
                error.span(),
                "expected the transition's name, as in `create_room -> RoomCreated, in_doubt = …, undo = …`",
            )
        })?;
        let mut transition = TransitionDecl::new(name);
        let mut errors = Vec::new();
        if let Err(error) = transition.targets(input) {
            errors.push(error);
        }
        errors.extend(keys::each(input, |key, value| {
            transition.keys.push(key.clone());
            transition.set(key, value)
        }));
        transition.broken = !errors.is_empty();
        Ok(Self { transition, errors })
    }
}

impl TransitionDecl {
    fn new(name: Ident) -> Self {
        Self {
            name,
            keys: Vec::new(),
            targets: Vec::new(),
            in_doubt: None,
            undo: None,
            retain_when: None,
            abort: None,
            when: None,
            for_each: None,
            keep: None,
            on: None,
            surge: None,
            predecessor: None,
            transport: None,
            timeout: None,
            settle: None,
            within: None,
            every: None,
            retry: None,
            rejected: None,
            exhausted: None,
            overdue: None,
            lost: None,
            verify: None,
            attempts: None,
            give_up_after: None,
            look_first: None,
            no_effect: None,
            waits: None,
            rewind: None,
            on_delete: None,
            preempts: None,
            retired: None,
            was: None,
            broken: false,
        }
    }

    /// Whether it says where it leads or what it keeps, so that other states can list it by its name.
    pub(crate) fn declares(&self) -> bool {
        !self.targets.is_empty() || self.kept_fact().is_some()
    }

    /// The set or the value that it keeps.
    pub(crate) fn kept_fact(&self) -> Option<&Ident> {
        self.for_each.as_ref().or(self.keep.as_ref())
    }

    /// Whether it says nothing but its name and a guard.
    pub(crate) fn is_bare(&self) -> bool {
        !self.declares() && !self.broken && self.keys.iter().all(|key| key == "when")
    }

    /// What stands behind the arrow, up to the first key.
    fn targets(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(Token![->]) {
            input.parse::<Token![->]>()?;
            self.targets = Punctuated::<Ident, Token![|]>::parse_separated_nonempty(input)?.into_iter().collect();
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok(())
    }

    fn set(&mut self, key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<()> {
        let name = key.to_string();
        match name.as_str() {
            "no_effect" => flag(key, value).and_then(|()| once(key, &mut self.no_effect, key.span())),
            "waits" => flag(key, value).and_then(|()| once(key, &mut self.waits, key.span())),
            "rewind" => flag(key, value).and_then(|()| once(key, &mut self.rewind, key.span())),
            "on_delete" => flag(key, value).and_then(|()| once(key, &mut self.on_delete, key.span())),
            "preempts" => flag(key, value).and_then(|()| once(key, &mut self.preempts, key.span())),
            "retired" => flag(key, value).and_then(|()| once(key, &mut self.retired, key.span())),
            "was" => once(key, &mut self.was, keys::names(key, value)?),
            "in_doubt" => once(key, &mut self.in_doubt, word(key, value)?),
            "undo" => once(key, &mut self.undo, word(key, value)?),
            "retain_when" => once(key, &mut self.retain_when, word(key, value)?),
            "abort" => once(key, &mut self.abort, word(key, value)?),
            "when" => once(key, &mut self.when, word(key, value)?),
            "for_each" => once(key, &mut self.for_each, word(key, value)?),
            "keep" => once(key, &mut self.keep, word(key, value)?),
            "on" => once(key, &mut self.on, word(key, value)?),
            "surge" => once(key, &mut self.surge, keys::surplus(key, value)?),
            "predecessor" => once(key, &mut self.predecessor, word(key, value)?),
            "transport" => once(key, &mut self.transport, keys::transport(word(key, value)?)?),
            "timeout" => once(key, &mut self.timeout, span::duration(&text(key, value, "30s")?)?),
            "settle" => once(key, &mut self.settle, span::duration(&text(key, value, "30s")?)?),
            "within" => once(key, &mut self.within, (span::duration(&text(key, value, "10m")?)?, key.span())),
            "every" => once(key, &mut self.every, (span::interval(&text(key, value, "30s")?)?, key.span())),
            "rejected" => once(key, &mut self.rejected, EndDecl::read(key, value)?),
            "exhausted" => once(key, &mut self.exhausted, EndDecl::read(key, value)?),
            "overdue" => once(key, &mut self.overdue, EndDecl::read(key, value)?),
            "lost" => once(key, &mut self.lost, EndDecl::read(key, value)?),
            "verify" => once(key, &mut self.verify, word(key, value)?),
            "attempts" => once(key, &mut self.attempts, keys::count(key, value)?),
            "give_up_after" => {
                once(key, &mut self.give_up_after, (span::duration(&text(key, value, "30m")?)?, key.span()))
            }
            "retry" => once(key, &mut self.retry, span::range(&text(key, value, "1s..5m")?)?),
            "look_first" => match keys::value(key, value)? {
                Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => once(key, &mut self.look_first, value),
                _ => Err(syn::Error::new(key.span(), "`look_first` takes `true` or `false`")),
            },
            _ => {
                // What was probably meant is taken for it: its method is then known.
                if let (Some(meant), Some(value)) = (suggest::nearest(&name, KEYS), value) {
                    drop(self.set(&Ident::new(meant, key.span()), Some(value)));
                }
                Err(keys::unknown(key, &KEYS))
            }
        }
    }
}
