//! Attributes to typed values. Invariant: every value keeps the token it came from.

mod keys;
mod transition;
mod upgrade;

use std::time::Duration;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Ident, Lit, LitStr, Path, Type, Visibility};

use self::keys::{flag, once};
use self::transition::Parsed;
pub(crate) use self::transition::{EndDecl, TransitionDecl};
pub(crate) use self::upgrade::UpgradeDecl;
use crate::errors::Errors;
use crate::span;

/// The enum as its author wrote it.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) doc: String,
    pub(crate) name: Option<LitStr>,
    pub(crate) was: Option<Vec<LitStr>>,
    pub(crate) upgrades: Vec<UpgradeDecl>,
    /// It asks what there is of a resource without a record.
    pub(crate) import: Option<Span>,
    pub(crate) version: Option<u32>,
    pub(crate) reader: Option<u32>,
    pub(crate) resource: Option<Type>,
    pub(crate) krate: Path,
    pub(crate) undo_on_rejected: bool,
    /// Requests are delivered once.
    pub(crate) once: bool,
    pub(crate) defaults: Defaults,
    pub(crate) debug: bool,
    pub(crate) states: Vec<StateDecl>,
}

/// What holds for every transition that does not say it itself, each with the key that says so: the times of effects, and bad ends.
#[derive(Default)]
pub(crate) struct Defaults {
    pub(crate) timeout: Option<(Duration, Span)>,
    pub(crate) settle: Option<(Duration, Span)>,
    pub(crate) retry: Option<((Duration, Duration), Span)>,
    pub(crate) rejected: Option<EndDecl>,
    pub(crate) exhausted: Option<EndDecl>,
    pub(crate) overdue: Option<EndDecl>,
    pub(crate) attempts: Option<(u32, Span)>,
    pub(crate) give_up_after: Option<(Duration, Span)>,
}

/// One variant.
pub(crate) struct StateDecl {
    pub(crate) ident: Ident,
    pub(crate) doc: String,
    pub(crate) initial: Option<Span>,
    pub(crate) resting: bool,
    pub(crate) terminal: Option<Span>,
    pub(crate) failed: bool,
    pub(crate) leaving: Option<Span>,
    /// Only records of older versions are here.
    pub(crate) retired: Option<Span>,
    pub(crate) was: Vec<LitStr>,
    /// A deletion undoes at once here, though it begins with steps of its own in a state before.
    pub(crate) undo_at_once: Option<Span>,
    /// How often what lives is asked about here, with the key that says so.
    pub(crate) verify: Option<(Duration, Span)>,
    /// A mark was not understood.
    pub(crate) broken: bool,
    pub(crate) facts: Vec<FactDecl>,
    pub(crate) transitions: Vec<TransitionDecl>,
}

/// One field of a variant.
pub(crate) struct FactDecl {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// The type as it is written, to compare and to show.
    pub(crate) written: String,
    pub(crate) doc: String,
    /// Subject and member, for `Each<Subject, Member>`; the value and nothing, for `Kept<Value>`.
    pub(crate) each: Option<(Type, Type)>,
    /// It is a `Kept<Value>`.
    pub(crate) kept: bool,
    /// Where it was never recorded, it is the default of its type.
    pub(crate) default: bool,
    pub(crate) was: Vec<LitStr>,
    /// Its type cannot be used.
    pub(crate) broken: bool,
}

impl Declaration {
    /// Whether this lists a transition by its name, which is declared elsewhere.
    pub(crate) fn is_listing(&self, typed: &TransitionDecl) -> bool {
        let is_declared = || {
            let mut all = self.states.iter().flat_map(|state| &state.transitions);
            all.any(|it| it.declares() && it.name == typed.name)
        };
        !typed.declares() && (typed.is_bare() || is_declared())
    }
}

/// Reads the enum; what cannot be read is reported and left out.
pub(crate) fn declaration(input: &DeriveInput, errors: &mut Errors) -> Option<Declaration> {
    let Data::Enum(data) = &input.data else {
        errors.at(input.ident.span(), "a machine is an enum with one variant for each state");
        return None;
    };
    if let Some(param) = input.generics.params.first() {
        errors
            .only(param.span(), "a machine has no generic parameters; give the resource and the facts concrete types");
    }
    let mut declaration = Declaration {
        ident: input.ident.clone(),
        vis: input.vis.clone(),
        doc: doc(&input.attrs),
        name: None,
        was: None,
        upgrades: Vec::new(),
        import: None,
        version: None,
        reader: None,
        resource: None,
        krate: syn::parse_quote!(::durable_fsm),
        undo_on_rejected: false,
        once: false,
        defaults: Defaults::default(),
        debug: false,
        states: Vec::new(),
    };
    let known = container(&mut declaration, &input.attrs, errors);
    for attr in &input.attrs {
        if attr.path().is_ident("transition") {
            errors.at(
                attr.path().span(),
                "a transition is declared on the state that it starts from: move it to that variant",
            );
        } else if attr.path().is_ident("serde") {
            errors.at(
                attr.path().span(),
                "records have a format of their own, so `serde` attributes have no effect here: remove it",
            );
        }
    }
    for variant in &data.variants {
        declaration.states.push(state(variant, errors));
    }
    if declaration.states.is_empty() {
        errors.at(input.ident.span(), "a machine needs at least one state, marked `#[fsm(initial)]`");
        return None;
    }
    if known {
        missing(&declaration, errors);
    }
    Some(declaration)
}

const ENUM_KEYS: [&str; 19] = [
    "name",
    "was",
    "version",
    "reader",
    "upgrade",
    "import",
    "resource",
    "crate",
    "on_rejected",
    "transport",
    "timeout",
    "settle",
    "retry",
    "rejected",
    "exhausted",
    "overdue",
    "attempts",
    "give_up_after",
    "debug",
];

/// The keys of the enum. False if one was not understood: what it stands for is not missed too.
fn container(declaration: &mut Declaration, attrs: &[Attribute], errors: &mut Errors) -> bool {
    let (mut version, mut reader, mut krate) = (None, None, None);
    let (mut on_rejected, mut transport, mut debug) = (None, None, None);
    let mut defaults = Defaults::default();
    let known = fsm_keys(attrs, errors, |key, value| match key.to_string().as_str() {
        "name" => once(key, &mut declaration.name, keys::text(key, value, "example.io/worker")?),
        "was" => once(key, &mut declaration.was, keys::names(key, value)?),
        "upgrade" => UpgradeDecl::read(key, value).map(|upgrades| declaration.upgrades.extend(upgrades)),
        "import" => flag(key, value).and_then(|()| once(key, &mut declaration.import, key.span())),
        "version" => once(key, &mut version, keys::number(key, value)?),
        "reader" => once(key, &mut reader, keys::number(key, value)?),
        "resource" => match value {
            Some(value) => once(key, &mut declaration.resource, value.parse()?),
            None => Err(syn::Error::new(key.span(), "`resource` needs a type: `resource = Worker`")),
        },
        "crate" => once(key, &mut krate, keys::text(key, value, "::other_name")?.parse()?),
        "on_rejected" => {
            let value = keys::word(key, value)?;
            if value != "undo" {
                let text = "`on_rejected` takes `undo`; without it a rejected effect blocks the resource";
                return Err(syn::Error::new(value.span(), text));
            }
            once(key, &mut on_rejected, ())
        }
        "transport" => once(key, &mut transport, keys::transport(keys::word(key, value)?)?),
        "timeout" => once(key, &mut defaults.timeout, (span::duration(&keys::text(key, value, "30s")?)?, key.span())),
        "settle" => once(key, &mut defaults.settle, (span::duration(&keys::text(key, value, "30s")?)?, key.span())),
        "retry" => once(key, &mut defaults.retry, (span::range(&keys::text(key, value, "1s..5m")?)?, key.span())),
        "rejected" => once(key, &mut defaults.rejected, EndDecl::read(key, value)?),
        "exhausted" => once(key, &mut defaults.exhausted, EndDecl::read(key, value)?),
        "overdue" => once(key, &mut defaults.overdue, EndDecl::read(key, value)?),
        "attempts" => once(key, &mut defaults.attempts, keys::count(key, value)?),
        "give_up_after" => {
            let after = span::duration(&keys::text(key, value, "30m")?)?;
            once(key, &mut defaults.give_up_after, (after, key.span()))
        }
        "debug" => flag(key, value).and_then(|()| once(key, &mut debug, ())),
        _ => Err(keys::unknown(key, &ENUM_KEYS)),
    });
    if let (Some((version, _)), Some((reader, span))) = (version, reader)
        && reader > version
    {
        errors.at(span, format!("`reader` is the lowest version that can read the records of this one: at most `version`, which is {version}"));
    }
    declaration.version = version.map(|(version, _)| version);
    declaration.reader = reader.map(|(reader, _)| reader);
    declaration.krate = krate.unwrap_or_else(|| syn::parse_quote!(::durable_fsm));
    declaration.undo_on_rejected = on_rejected.is_some();
    declaration.once = transport.is_some();
    declaration.defaults = defaults;
    declaration.debug = debug.is_some();
    known
}

/// Reads all `#[fsm(…)]` among these. False if there was a mistake in one.
fn fsm_keys(
    attrs: &[Attribute],
    errors: &mut Errors,
    mut set: impl FnMut(&Ident, Option<ParseStream<'_>>) -> syn::Result<()>,
) -> bool {
    let mut known = true;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("fsm")) {
        let read = |input: ParseStream<'_>| {
            if input.is_empty() {
                return Err(syn::Error::new(
                    attr.path().span(),
                    "`#[fsm()]` says nothing; give it a key, or remove it",
                ));
            }
            Ok(keys::each(input, &mut set))
        };
        for error in attr.parse_args_with(read).unwrap_or_else(|error| vec![error]) {
            known = false;
            errors.push(error);
        }
    }
    known
}

fn missing(declaration: &Declaration, errors: &mut Errors) {
    let mut miss = |what: &str, example: &str| {
        errors
            .at(declaration.ident.span(), format!("the machine has no {what}: write `#[fsm({example})]` on the enum"));
    };
    match (&declaration.name, declaration.version, &declaration.resource) {
        (None, None, None) => {
            miss("name, version and resource", "name = \"example.io/worker\", version = 1, resource = Worker");
        }
        (name, version, resource) => {
            if name.is_none() {
                miss("name", "name = \"example.io/worker\", …");
            }
            if version.is_none() {
                miss("version", "version = 1, …");
            }
            if resource.is_none() {
                miss("resource", "resource = Worker, …");
            }
        }
    }
}

const STATE_KEYS: [&str; 9] =
    ["initial", "resting", "terminal", "failed", "leaving", "undo_at_once", "retired", "was", "verify"];

fn state(variant: &syn::Variant, errors: &mut Errors) -> StateDecl {
    let mut state = StateDecl {
        ident: variant.ident.clone(),
        doc: doc(&variant.attrs),
        initial: None,
        resting: false,
        terminal: None,
        failed: false,
        leaving: None,
        retired: None,
        was: Vec::new(),
        undo_at_once: None,
        verify: None,
        broken: false,
        facts: Vec::new(),
        transitions: Vec::new(),
    };
    if let Some((_, discriminant)) = &variant.discriminant {
        errors.at(discriminant.span(), "a state has no number; its name is what is recorded");
    }
    let (mut resting, mut failed, mut was, mut verify) = (None, None, None, None);
    state.broken = !fsm_keys(&variant.attrs, errors, |key, value| {
        let slot = match key.to_string().as_str() {
            "initial" => &mut state.initial,
            "resting" => &mut resting,
            "terminal" => &mut state.terminal,
            "failed" => &mut failed,
            "leaving" => &mut state.leaving,
            "retired" => &mut state.retired,
            "undo_at_once" => &mut state.undo_at_once,
            "was" => return once(key, &mut was, keys::names(key, value)?),
            "verify" => {
                let every = span::interval(&keys::text(key, value, "10m")?)?;
                return once(key, &mut verify, (every, key.span()));
            }
            _ => return Err(keys::unknown(key, &STATE_KEYS)),
        };
        flag(key, value).and_then(|()| once(key, slot, key.span()))
    });
    if let (Some(_), Some(terminal)) = (resting, state.terminal) {
        errors.at(terminal, "a terminal state rests too: say `resting` alone if something leads on from it, and `terminal` alone if nothing does");
        state.terminal = None;
    }
    state.resting = resting.is_some();
    state.failed = failed.is_some();
    state.was = was.unwrap_or_default();
    state.verify = verify;
    for attr in &variant.attrs {
        if attr.path().is_ident("transition") {
            match attr.parse_args::<Parsed>() {
                Ok(parsed) => {
                    for error in parsed.errors {
                        errors.push(error);
                    }
                    state.transitions.push(parsed.transition);
                }
                Err(error) => errors.push(error),
            }
        } else if attr.path().is_ident("serde") {
            errors.at(attr.path().span(), "a state is recorded by its name and its facts by theirs; `serde` attributes have no effect here: remove it");
        }
    }
    match &variant.fields {
        Fields::Unit => {}
        Fields::Named(fields) => {
            for field in &fields.named {
                if let Some(ident) = &field.ident {
                    state.facts.push(fact(ident, field, errors));
                }
            }
        }
        Fields::Unnamed(fields) => {
            errors.fatal(fields.span(), "a fact has a name, under which it is recorded: write `{ name: Type }`");
        }
    }
    state
}

fn fact(ident: &Ident, field: &syn::Field, errors: &mut Errors) -> FactDecl {
    let (mut default, mut was) = (None, None);
    let mut broken = !fsm_keys(&field.attrs, errors, |key, value| match key.to_string().as_str() {
        "default" => flag(key, value).and_then(|()| once(key, &mut default, ())),
        "was" => once(key, &mut was, keys::names(key, value)?),
        "initial" | "resting" | "terminal" | "failed" => {
            let text = format!("`{key}` is a mark of a state: move it to the variant");
            Err(syn::Error::new(key.span(), text))
        }
        _ => Err(keys::unknown(key, &["default", "was"])),
    });
    for attr in &field.attrs {
        if attr.path().is_ident("transition") {
            errors.at(
                attr.path().span(),
                "a transition is declared on the state that it starts from: move it to the variant",
            );
        }
    }
    for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        errors.at(attr.path().span(), "a fact is recorded under its own name, as its type serializes; put `serde` attributes on the type, in a newtype if need be");
    }
    if let Some(span) = reference(&field.ty) {
        errors.at(
            span,
            "a fact owns its data, because it is read back from a record: use an owned type such as `String`",
        );
        broken = true;
    }
    let ty = field.ty.clone();
    let written = ty.to_token_stream().to_string();
    FactDecl {
        ident: ident.clone(),
        written,
        doc: doc(&field.attrs),
        each: each(&ty).or_else(|| Some((kept(&ty)?, syn::parse_quote!(())))),
        kept: kept(&ty).is_some(),
        default: default.is_some(),
        was: was.unwrap_or_default(),
        ty,
        broken,
    }
}

/// A reference anywhere in a type.
fn reference(ty: &Type) -> Option<Span> {
    match ty {
        Type::Reference(reference) => Some(reference.span()),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(reference),
        Type::Array(array) => reference(&array.elem),
        Type::Paren(paren) => reference(&paren.elem),
        Type::Group(group) => reference(&group.elem),
        Type::Path(path) => path.path.segments.iter().find_map(|segment| match &segment.arguments {
            syn::PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().find_map(|argument| match argument {
                    syn::GenericArgument::Type(ty) => reference(ty),
                    syn::GenericArgument::Lifetime(lifetime) => Some(lifetime.span()),
                    _ => None,
                })
            }
            _ => None,
        }),
        _ => None,
    }
}

/// The value of `Kept<Value>`.
fn kept(ty: &Type) -> Option<Type> {
    arguments(ty, "Kept")?.into_iter().next()
}

/// Subject and member of `Each<Subject, Member>`.
fn each(ty: &Type) -> Option<(Type, Type)> {
    let mut types = arguments(ty, "Each")?.into_iter();
    Some((types.next()?, types.next()?))
}

/// The types that a generic type of this name is given.
fn arguments(ty: &Type, name: &str) -> Option<Vec<Type>> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    Some(types.collect())
}

/// The doc comment, without the blank that follows the slashes.
fn doc(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let syn::Meta::NameValue(pair) = &attr.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
        {
            let text = text.value();
            lines.push(text.strip_prefix(' ').unwrap_or(&text).to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}
