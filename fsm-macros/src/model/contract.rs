//! What a transition does to the world, from its keys. Invariant: a key that could have no effect is an error.

use std::time::Duration;

use durable_fsm_graph::{Cause, InDoubt, Lost, Predecessor, Transport};
use syn::ext::IdentExt as _;
use syn::{Ident, Type};

use crate::errors::Errors;
use crate::parse::{Declaration, StateDecl, TransitionDecl};
use crate::suggest;

/// What it does to the world.
pub(crate) enum Kind {
    Effect(Box<Contract>),
    NoEffect,
    /// Nothing outside the record now, and an undo at its place on the way back.
    Deferred(Box<Contract>),
    Waits {
        within: Option<Duration>,
        every: Option<Duration>,
        /// It waits for each member of a set by itself.
        for_each: Option<Box<ForEach>>,
    },
    /// Back to the mark of a state, without a method.
    Rewind,
    /// Where another transition ends that cannot go on.
    End {
        of: usize,
        cause: Cause,
    },
}

/// What is declared about an effect.
pub(crate) struct Contract {
    pub(crate) in_doubt: InDoubt,
    pub(crate) undo: Undo,
    pub(crate) retain_when: Option<Ident>,
    pub(crate) abort: Option<Ident>,
    pub(crate) timeout: Duration,
    pub(crate) settle: Duration,
    pub(crate) retry: (Duration, Duration),
    pub(crate) look_first: bool,
    pub(crate) predecessor: Predecessor,
    pub(crate) transport: Transport,
    pub(crate) for_each: Option<ForEach>,
}

/// How it is undone.
#[derive(PartialEq)]
pub(crate) enum Undo {
    Method(Ident),
    Retain,
    None,
}

/// The set that it keeps true.
pub(crate) struct ForEach {
    pub(crate) fact: Ident,
    pub(crate) subject: Type,
    pub(crate) member: Type,
    /// The set that this one depends on.
    pub(crate) on: Option<Ident>,
    /// How many more than are wanted there may be meanwhile.
    pub(crate) surge: Option<u32>,
    /// It is one value.
    pub(crate) kept: bool,
    /// The fact is not a set of this state, so the types are unknown.
    pub(crate) broken: bool,
}

/// How what a transition made is asked about.
pub(crate) struct Verify {
    /// The method that says whether it is there; without one, the look-up.
    pub(crate) by: Option<Ident>,
    pub(crate) lost: Lost,
}

const IN_DOUBT: &str = "say what happens when its outcome is in doubt: `in_doubt = repeat` (call again with the same idempotency key, because the provider recognises the name or the key), `in_doubt = lookup` (ask the provider, and call again only when the thing is absent) or `in_doubt = hold` (stop until an operator says)";
const UNDO: &str = "say how it is undone: `undo = method_name`, `undo = retain` (the thing is left behind on purpose, and listed) or `undo = none` (it made nothing of its own)";
const NO_EFFECT: &str =
    "; if it touches nothing outside the record, say `no_effect` instead, and if it only looks, `waits`";

/// What it does to the world, and whether it contradicts itself.
pub(super) fn kind(
    declaration: &Declaration,
    from: usize,
    typed: &TransitionDecl,
    errors: &mut Errors,
) -> (Kind, bool) {
    let name = &typed.name;
    let mut loose = false;
    members_only(typed, errors);
    if let Some(rewind) = typed.rewind {
        return rewinds(name, rewind, typed, errors);
    }
    if let (Some(_), Some(waits)) = (typed.no_effect, typed.waits) {
        errors.at(waits, "`waits` and `no_effect` exclude each other: what waits looks at the world");
        loose = true;
    }
    if let (Some(_), None, Some(undo)) = (typed.no_effect, typed.waits, &typed.undo)
        && undo != "none"
        && undo != "retain"
        && typed.in_doubt.is_none()
    {
        return deferred(undo, declaration, typed, errors);
    }
    if let Some(flag) = typed.no_effect.or(typed.waits) {
        let word = if typed.no_effect.is_some() { "no_effect" } else { "waits" };
        let set = typed.for_each.as_ref().filter(|_| typed.waits.is_none());
        let keys = [
            &typed.in_doubt,
            &typed.undo,
            &typed.retain_when,
            &typed.abort,
            &typed.keep,
            &typed.predecessor,
            &typed.transport,
        ];
        let effect = keys.into_iter().flatten().chain(set).map(Ident::span);
        let surge = typed.surge.filter(|_| typed.for_each.is_none()).map(|(_, span)| span);
        let effect = effect.chain(surge).next();
        if let Some(key) = effect {
            errors.at(
                key,
                format!("`{name}` is `{word}`, so there is nothing to resolve or undo; remove this, or `{word}`"),
            );
            loose = true;
        } else if typed.timeout.is_some()
            || typed.settle.is_some()
            || typed.retry.is_some()
            || typed.look_first.is_some()
        {
            errors.at(
                flag,
                format!(
                    "`{name}` is `{word}` and takes neither `timeout`, `settle`, `retry` nor `look_first`: remove them"
                ),
            );
        }
        if let (Some(_), Some((_, within))) = (typed.no_effect, typed.within) {
            errors.at(
                within,
                format!("`within` bounds a transition that `waits`, and `{name}` is `no_effect`: remove this"),
            );
        }
        if let (Some(_), Some((_, every))) = (typed.no_effect, typed.every) {
            errors.at(
                every,
                format!(
                    "`every` says how often a transition that `waits` looks, and `{name}` is `no_effect`: remove this"
                ),
            );
        }
        // Its look-up, undo and abort may be written already.
        if effect.is_none() {
            if typed.no_effect.is_some() {
                return (Kind::NoEffect, loose);
            }
            let [within, every] = [typed.within, typed.every].map(|time| time.map(|(time, _)| time));
            let fact = typed.for_each.as_ref();
            let for_each = fact.and_then(|fact| for_each(&declaration.states[from], fact, typed, errors));
            return (Kind::Waits { within, every, for_each: for_each.map(Box::new) }, loose);
        }
    } else {
        if let Some((_, within)) = typed.within {
            errors.at(
                within,
                format!("`within` bounds a transition that `waits`, and `{name}` is an effect: say `timeout`"),
            );
        }
        if let Some((_, every)) = typed.every {
            errors.at(
                every,
                format!(
                    "`every` says how often a transition that `waits` looks, and `{name}` is an effect: say `retry`"
                ),
            );
        }
    }
    let in_doubt = in_doubt(typed, loose, errors);
    if in_doubt != InDoubt::Lookup {
        let spans = [typed.predecessor.as_ref().map(Ident::span), typed.look_first.as_ref().map(syn::LitBool::span)];
        for (key, span) in ["predecessor", "look_first"].into_iter().zip(spans) {
            if let Some(span) = span {
                errors.at(
                    span,
                    format!(
                        "`{key}` is about the look-up, and `{name}` has none: say `in_doubt = lookup`, or remove this"
                    ),
                );
            }
        }
    }
    if let Some(transport) = typed.transport.as_ref().filter(|_| in_doubt != InDoubt::Repeat) {
        errors.at(
            transport.span(),
            format!(
                "`lookup` and `hold` assume that requests are delivered once, so `{name}` need not say it: remove this"
            ),
        );
    }
    let undo = match &typed.undo {
        Some(value) if value == "retain" => Undo::Retain,
        Some(value) if value == "none" => Undo::None,
        Some(method) => Undo::Method(method.clone()),
        None => {
            if !typed.broken && !loose && typed.in_doubt.is_some() {
                errors.at(name.span(), format!("`{name}` touches the world: {UNDO}{NO_EFFECT}"));
            }
            Undo::None
        }
    };
    if in_doubt == InDoubt::Hold
        && typed.abort.is_none()
        && let Undo::Method(method) = &undo
    {
        errors.at(method.span(), format!("`{name}` is held when in doubt and has an undo, so a deletion could wait for an operator without end: add `abort = method_name`, which removes whatever an attempt may have made"));
    }
    if let (Some(retain_when), false) = (&typed.retain_when, matches!(undo, Undo::Method(_))) {
        errors.at(
            retain_when.span(),
            format!("`retain_when` says when what `{name}` made is left behind instead of being undone, and it has no undo method: remove this, or say `undo = method_name`"),
        );
    }
    keeps(name, in_doubt, typed, errors);
    let for_each = typed.kept_fact().and_then(|fact| for_each(&declaration.states[from], fact, typed, errors));
    let defaults = &declaration.defaults;
    let contract = Contract {
        in_doubt,
        retain_when: typed.retain_when.clone().filter(|_| matches!(undo, Undo::Method(_))),
        undo,
        abort: typed.abort.clone(),
        timeout: typed.timeout.or(defaults.timeout.map(|(time, _)| time)).unwrap_or(Duration::from_secs(60)),
        settle: typed.settle.or(defaults.settle.map(|(time, _)| time)).unwrap_or(if in_doubt == InDoubt::Lookup {
            Duration::from_secs(5)
        } else {
            Duration::ZERO
        }),
        retry: typed
            .retry
            .or(defaults.retry.map(|(range, _)| range))
            .unwrap_or((Duration::from_secs(1), Duration::from_secs(300))),
        look_first: typed.look_first.as_ref().is_none_or(syn::LitBool::value),
        predecessor: match &typed.predecessor {
            Some(value) if value == "adopt" => Predecessor::Adopt,
            Some(value) if value == "hold" => Predecessor::Hold,
            Some(value) => {
                errors.at(value.span(), "`predecessor` takes `adopt` or `hold`");
                Predecessor::Hold
            }
            None => Predecessor::Hold,
        },
        transport: if typed.transport.is_some() || declaration.once { Transport::Once } else { Transport::AtLeastOnce },
        for_each,
    };
    (Kind::Effect(Box::new(contract)), loose)
}

/// `no_effect` with an undo.
fn deferred(undo: &Ident, declaration: &Declaration, typed: &TransitionDecl, errors: &mut Errors) -> (Kind, bool) {
    let name = &typed.name;
    let words = [&typed.abort, &typed.for_each, &typed.keep, &typed.predecessor];
    let other = words.into_iter().flatten().map(Ident::span).chain(typed.look_first.as_ref().map(syn::LitBool::span));
    if let Some(span) = other.chain(typed.within.map(|(_, span)| span)).next() {
        errors.at(
            span,
            format!("`{name}` does nothing until it is undone, and takes only `when`, `undo`, `retain_when`, `transport`, `timeout`, `settle` and `retry`: remove this"),
        );
    }
    let contract = Contract {
        in_doubt: InDoubt::Repeat,
        undo: Undo::Method(undo.clone()),
        retain_when: typed.retain_when.clone(),
        abort: None,
        timeout: typed.timeout.unwrap_or(Duration::from_secs(60)),
        settle: typed.settle.unwrap_or_default(),
        retry: typed.retry.unwrap_or((Duration::from_secs(1), Duration::from_secs(300))),
        look_first: true,
        predecessor: Predecessor::Hold,
        transport: if typed.transport.is_some() || declaration.once { Transport::Once } else { Transport::AtLeastOnce },
        for_each: None,
    };
    (Kind::Deferred(Box::new(contract)), false)
}

/// A rewind has no method, so nothing can be said of one.
fn rewinds(name: &Ident, rewind: proc_macro2::Span, typed: &TransitionDecl, errors: &mut Errors) -> (Kind, bool) {
    let words = [
        &typed.in_doubt,
        &typed.undo,
        &typed.retain_when,
        &typed.abort,
        &typed.for_each,
        &typed.keep,
        &typed.predecessor,
        &typed.transport,
    ];
    let flags = [typed.no_effect, typed.waits, typed.look_first.as_ref().map(syn::LitBool::span)];
    let other = words.into_iter().flatten().map(Ident::span).chain(flags.into_iter().flatten()).next();
    let other = other.or(typed.within.or(typed.every).map(|(_, span)| span));
    let has_times = typed.timeout.is_some() || typed.settle.is_some() || typed.retry.is_some();
    if let Some(span) = other.or(has_times.then_some(rewind)) {
        errors.at(
            span,
            format!("`{name}` is a `rewind`: it undoes what was made since its target was entered, by the undos of those steps, and takes only `when`; remove this, or `rewind`"),
        );
    } else if typed.when.is_none() && !typed.broken {
        errors.at(
            name.span(),
            format!(
                "`{name}` goes back, and nothing says when: add a guard (`{name} -> …, when = method_name, rewind`)"
            ),
        );
    }
    (Kind::Rewind, false)
}

/// What a kept value cannot say.
fn keeps(name: &Ident, in_doubt: InDoubt, typed: &TransitionDecl, errors: &mut Errors) {
    let Some(keep) = &typed.keep else { return };
    if let Some(for_each) = &typed.for_each {
        errors.at(
            for_each.span(),
            format!("`{name}` keeps the value `{keep}` already; a set needs a transition of its own: remove one"),
        );
    }
    if let (Some(value), false) = (&typed.in_doubt, in_doubt == InDoubt::Repeat) {
        errors.at(
            value.span(),
            format!("the value `{keep}` is sent again until it is confirmed, so it can only say `in_doubt = repeat`; what must not be sent twice is a step of its own"),
        );
    }
    if let Some(abort) = &typed.abort {
        errors.at(abort.span(), format!("the value `{keep}` makes nothing that could be removed: remove this"));
    }
    if let Some(undo) = typed.undo.as_ref().filter(|undo| *undo != "none") {
        errors.at(
            undo.span(),
            format!("the value `{keep}` makes nothing, so say `undo = none`; if something has to happen to it on deletion, list a step `-> …, no_effect, undo = {undo}` before it"),
        );
    }
}

/// What only a set can say.
fn members_only(typed: &TransitionDecl, errors: &mut Errors) {
    if typed.for_each.is_some() {
        return;
    }
    let name = &typed.name;
    if let Some(on) = &typed.on {
        errors.at(
            on.span(),
            format!("`on` names the set that the members of another one depend on, and `{name}` keeps no set: add `for_each = fact`, or remove this"),
        );
    }
    if let Some((_, surge)) = typed.surge.filter(|_| typed.waits.is_none() && typed.no_effect.is_none()) {
        errors.at(
            surge,
            format!("`surge` says how many members more than are wanted a set may have while some are replaced, and `{name}` keeps no set: add `for_each = fact`, or remove this"),
        );
    }
}

fn in_doubt(typed: &TransitionDecl, loose: bool, errors: &mut Errors) -> InDoubt {
    match &typed.in_doubt {
        Some(value) if value == "repeat" => InDoubt::Repeat,
        Some(value) if value == "lookup" => InDoubt::Lookup,
        Some(value) if value == "hold" => InDoubt::Hold,
        Some(value) => {
            errors.at(value.span(), format!("no contract `{value}`; `in_doubt` takes `repeat`, `lookup` or `hold`"));
            InDoubt::Lookup
        }
        None => {
            if !typed.broken && !loose {
                let name = &typed.name;
                let both = if typed.undo.is_none() { format!("; and {UNDO}") } else { String::new() };
                errors.at(name.span(), format!("`{name}` touches the world: {IN_DOUBT}{both}{NO_EFFECT}"));
            }
            InDoubt::Lookup
        }
    }
}

fn for_each(state: &StateDecl, fact: &Ident, typed: &TransitionDecl, errors: &mut Errors) -> Option<ForEach> {
    let (kept, ty) = if typed.for_each.is_none() { (true, "Kept<Value>") } else { (false, "Each<Subject, Made>") };
    let found = state.facts.iter().find(|it| it.ident == *fact).or_else(|| {
        let names: Vec<String> = state.facts.iter().map(|it| it.ident.unraw().to_string()).collect();
        let meant = suggest::nearest(&fact.to_string(), names.iter().map(String::as_str));
        let hint = match meant {
            Some(meant) => format!(": did you mean `{meant}`?"),
            None => format!("; declare `{fact}: {ty}` on this state"),
        };
        errors.at(fact.span(), format!("{} has no fact `{fact}`{hint}", state.ident));
        state.facts.iter().find(|it| meant.is_some_and(|meant| it.ident.unraw() == meant))
    });
    if let Some(found) = found.filter(|it| it.each.is_none()) {
        let what = if kept { "no kept value" } else { "not a set" };
        errors.at(fact.span(), format!("`{}` is {what}; give it the type `{ty}`", found.ident));
    } else if let Some(found) = found.filter(|it| it.kept != kept) {
        let (is, key) = if found.kept { ("one value", "keep") } else { ("a set", "for_each") };
        errors.at(fact.span(), format!("`{0}` is {is}: write `{key} = {0}`", found.ident));
    }
    let fact = found.map_or(fact, |it| &it.ident).clone();
    let types = found.and_then(|it| it.each.clone());
    let broken = types.is_none();
    let (subject, member) = types.unwrap_or_else(|| (syn::parse_quote!(()), syn::parse_quote!(())));
    let (on, surge) = (typed.on.clone(), typed.surge.map(|(surge, _)| surge));
    Some(ForEach { fact, subject, member, on, surge, kept, broken })
}

/// Why what keeps a set or a value has no guard.
pub(super) fn no_guard(kept: bool) -> &'static str {
    if kept {
        "a `keep` transition has no guard: its wanted value says when it runs"
    } else {
        "a `for_each` transition has no guard: its wanted set says when it runs"
    }
}
