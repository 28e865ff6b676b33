//! Attributes to typed values. Invariant: every value keeps the token it came from.

use std::time::Duration;

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Ident, Lit, LitBool, LitInt, LitStr, Path, Token, Type,
    Visibility,
};

use crate::errors::Errors;
use crate::{span, suggest};

/// The enum as its author wrote it.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) doc: String,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<u32>,
    pub(crate) reader: Option<u32>,
    pub(crate) resource: Option<Type>,
    pub(crate) krate: Path,
    pub(crate) undo_on_rejected: bool,
    pub(crate) debug: bool,
    pub(crate) states: Vec<StateDecl>,
}

/// One variant.
pub(crate) struct StateDecl {
    pub(crate) ident: Ident,
    pub(crate) doc: String,
    pub(crate) initial: Option<Span>,
    pub(crate) resting: bool,
    pub(crate) terminal: Option<Span>,
    pub(crate) failed: bool,
    /// A mark was not understood.
    pub(crate) broken: bool,
    pub(crate) facts: Vec<FactDecl>,
    pub(crate) transitions: Vec<TransitionDecl>,
}

/// One field of a variant.
pub(crate) struct FactDecl {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) doc: String,
    /// Subject and member, for `Each<Subject, Member>`.
    pub(crate) each: Option<(Type, Type)>,
}

/// One `#[transition(…)]`.
pub(crate) struct TransitionDecl {
    pub(crate) name: Ident,
    pub(crate) targets: Vec<Ident>,
    pub(crate) in_doubt: Option<Ident>,
    pub(crate) undo: Option<Ident>,
    pub(crate) abort: Option<Ident>,
    pub(crate) when: Option<Ident>,
    pub(crate) for_each: Option<Ident>,
    pub(crate) order: Option<Ident>,
    pub(crate) predecessor: Option<Ident>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) settle: Option<Duration>,
    pub(crate) within: Option<Duration>,
    pub(crate) retry: Option<(Duration, Duration)>,
    pub(crate) look_first: Option<LitBool>,
    pub(crate) no_effect: Option<Span>,
    pub(crate) waits: Option<Span>,
    /// A key was not understood; what it stands for is not missed too.
    pub(crate) broken: bool,
    /// Whether any key is given: a bare name lists a `for_each` transition again.
    pub(crate) bare: bool,
}

const KEYS: [&str; 14] = [
    "in_doubt",
    "undo",
    "abort",
    "when",
    "for_each",
    "order",
    "predecessor",
    "timeout",
    "settle",
    "within",
    "retry",
    "look_first",
    "no_effect",
    "waits",
];

/// Reads the enum; what cannot be read is reported and left out.
pub(crate) fn declaration(input: &DeriveInput, errors: &mut Errors) -> Option<Declaration> {
    let Data::Enum(data) = &input.data else {
        errors.at(input.ident.span(), "a machine is an enum with one variant for each state");
        return None;
    };
    if let Some(param) = input.generics.params.first() {
        errors
            .fatal(param.span(), "a machine has no generic parameters; give the resource and the facts concrete types");
    }
    let mut declaration = Declaration {
        ident: input.ident.clone(),
        vis: input.vis.clone(),
        doc: doc(&input.attrs),
        name: None,
        version: None,
        reader: None,
        resource: None,
        krate: syn::parse_quote!(::durable_fsm),
        undo_on_rejected: false,
        debug: false,
        states: Vec::new(),
    };
    container(&mut declaration, &input.attrs, errors);
    for variant in &data.variants {
        declaration.states.push(state(variant, errors));
    }
    if declaration.states.is_empty() {
        errors.at(input.ident.span(), "a machine needs at least one state, marked `#[fsm(initial)]`");
        return None;
    }
    let missing = |what: &str, example: &str| {
        syn::Error::new(input.ident.span(), format!("the machine has no {what}: write `#[fsm({example})]` on the enum"))
    };
    let example = "name = \"example.io/worker\", version = 1, resource = Worker";
    match (&declaration.name, declaration.version, &declaration.resource) {
        (Some(_), Some(_), Some(_)) => {}
        (None, None, None) => errors.push(missing("name, version and resource", example)),
        (name, version, resource) => {
            if name.is_none() {
                errors.push(missing("name", "name = \"example.io/worker\", …"));
            }
            if version.is_none() {
                errors.push(missing("version", "version = 1, …"));
            }
            if resource.is_none() {
                errors.push(missing("resource", "resource = Worker, …"));
            }
        }
    }
    if declaration.resource.is_none() {
        declaration.resource = Some(stand_in(&declaration.krate));
    }
    Some(declaration)
}

fn container(declaration: &mut Declaration, attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("fsm")) {
        let parsed = attr.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match key.as_str() {
                "name" => declaration.name = Some(meta.value()?.parse()?),
                "version" => declaration.version = Some(number(&meta.value()?.parse()?, errors)),
                "reader" => declaration.reader = Some(number(&meta.value()?.parse()?, errors)),
                "resource" => declaration.resource = Some(meta.value()?.parse()?),
                "crate" => declaration.krate = meta.value()?.parse::<LitStr>()?.parse()?,
                "on_rejected" => {
                    let value: Ident = meta.value()?.parse()?;
                    if value != "undo" {
                        return Err(syn::Error::new(
                            value.span(),
                            "`on_rejected` takes `undo`; without it a rejected effect blocks the resource",
                        ));
                    }
                    declaration.undo_on_rejected = true;
                }
                "debug" => declaration.debug = true,
                other => {
                    let keys = ["name", "version", "reader", "resource", "crate", "on_rejected", "debug"];
                    errors.push(meta.error(unknown(other, &keys)));
                    // What it stands for is not missed too, and what follows is read.
                    if meta.input.peek(Token![=]) {
                        meta.value()?.parse::<Expr>()?;
                    }
                    declaration.name.get_or_insert_with(|| LitStr::new("?", Span::call_site()));
                    declaration.version.get_or_insert(1);
                }
            }
            Ok(())
        });
        if let Err(error) = parsed {
            // What was not reached is not missed as well.
            let resource = stand_in(&declaration.krate);
            declaration.resource.get_or_insert(resource);
            declaration.name.get_or_insert_with(|| LitStr::new("?", Span::call_site()));
            declaration.version.get_or_insert(1);
            errors.push(error);
        }
    }
}

/// A resource that stands where the author's is missing, so that nothing else is missed.
fn stand_in(krate: &Path) -> Type {
    syn::parse_quote!(#krate::__private::Unknown)
}

fn state(variant: &syn::Variant, errors: &mut Errors) -> StateDecl {
    let mut state = StateDecl {
        ident: variant.ident.clone(),
        doc: doc(&variant.attrs),
        initial: None,
        resting: false,
        terminal: None,
        failed: false,
        broken: false,
        facts: Vec::new(),
        transitions: Vec::new(),
    };
    if let Some((_, discriminant)) = &variant.discriminant {
        errors.at(discriminant.span(), "a state has no number; its name is what is recorded");
    }
    for attr in &variant.attrs {
        if attr.path().is_ident("fsm") {
            let parsed = attr.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                let span = meta.path.span();
                match key.as_str() {
                    "initial" => state.initial = Some(span),
                    "resting" => state.resting = true,
                    "terminal" => state.terminal = Some(span),
                    "failed" => state.failed = true,
                    other => return Err(meta.error(unknown(other, &["initial", "resting", "terminal", "failed"]))),
                }
                Ok(())
            });
            if let Err(error) = parsed {
                state.broken = true;
                errors.push(error);
            }
        } else if attr.path().is_ident("transition") {
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
            errors.at(attr.span(), "a state is recorded by its name and its facts by theirs; `serde` attributes have no effect here: remove it");
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
            errors.at(fields.span(), "a fact has a name, under which it is recorded: write `{ name: Type }`");
        }
    }
    state
}

fn fact(ident: &Ident, field: &syn::Field, errors: &mut Errors) -> FactDecl {
    for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        errors.at(attr.span(), "a fact is recorded under its own name, as its type serializes; put `serde` attributes on the type, in a newtype if need be");
    }
    let mut ty = field.ty.clone();
    if let Some(span) = reference(&ty) {
        errors.at(
            span,
            "a fact owns its data, because it is read back from a record: use an owned type such as `String`",
        );
        ty = syn::parse_quote!(());
    }
    let each = each(&ty);
    FactDecl { ident: ident.clone(), ty, doc: doc(&field.attrs), each }
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

/// Subject and member of `Each<Subject, Member>`.
fn each(ty: &Type) -> Option<(Type, Type)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Each")?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    Some((types.next()?, types.next()?))
}

/// A transition with the mistakes in its keys.
struct Parsed {
    transition: TransitionDecl,
    errors: Vec<syn::Error>,
}

impl Parse for Parsed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any).map_err(|error| {
            syn::Error::new(
                error.span(),
                "expected the transition's name, as in `create_room -> RoomCreated, in_doubt = …, undo = …`",
            )
        })?;
        let mut transition = TransitionDecl {
            name,
            targets: Vec::new(),
            in_doubt: None,
            undo: None,
            abort: None,
            when: None,
            for_each: None,
            order: None,
            predecessor: None,
            timeout: None,
            settle: None,
            within: None,
            retry: None,
            look_first: None,
            no_effect: None,
            waits: None,
            broken: false,
            bare: input.is_empty(),
        };
        if input.peek(Token![->]) {
            input.parse::<Token![->]>()?;
            transition.targets = Punctuated::<Ident, Token![|]>::parse_separated_nonempty(input)?.into_iter().collect();
        }
        let mut errors = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key = input.call(Ident::parse_any)?;
            let value = if input.peek(Token![=]) {
                input.parse::<Token![=]>()?;
                Some(input.parse::<Expr>()?)
            } else {
                None
            };
            if let Err(error) = transition.set(&key, value) {
                transition.broken = true;
                errors.push(error);
            }
        }
        Ok(Self { transition, errors })
    }
}

impl TransitionDecl {
    fn set(&mut self, key: &Ident, value: Option<Expr>) -> syn::Result<()> {
        let name = key.to_string();
        match name.as_str() {
            "no_effect" | "waits" => {
                if let Some(value) = value {
                    return Err(syn::Error::new(value.span(), format!("`{name}` takes no value")));
                }
                let flag = if name == "waits" { &mut self.waits } else { &mut self.no_effect };
                once(key, flag, key.span())
            }
            "in_doubt" => once(key, &mut self.in_doubt, word(key, value)?),
            "undo" => once(key, &mut self.undo, word(key, value)?),
            "abort" => once(key, &mut self.abort, word(key, value)?),
            "when" => once(key, &mut self.when, word(key, value)?),
            "for_each" => once(key, &mut self.for_each, word(key, value)?),
            "order" => once(key, &mut self.order, word(key, value)?),
            "predecessor" => once(key, &mut self.predecessor, word(key, value)?),
            "timeout" => once(key, &mut self.timeout, span::duration(&text(key, value)?)?),
            "settle" => once(key, &mut self.settle, span::duration(&text(key, value)?)?),
            "within" => once(key, &mut self.within, span::duration(&text(key, value)?)?),
            "retry" => once(key, &mut self.retry, span::range(&text(key, value)?)?),
            "look_first" => match value {
                Some(Expr::Lit(ExprLit { lit: Lit::Bool(value), .. })) => once(key, &mut self.look_first, value),
                _ => Err(syn::Error::new(key.span(), "`look_first` takes `true` or `false`")),
            },
            other => Err(syn::Error::new(key.span(), unknown(other, &KEYS))),
        }
    }
}

fn once<T>(key: &Ident, slot: &mut Option<T>, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(key.span(), format!("`{key}` is given twice; keep one")));
    }
    *slot = Some(value);
    Ok(())
}

fn word(key: &Ident, value: Option<Expr>) -> syn::Result<Ident> {
    let span = value.as_ref().map_or(key.span(), syn::spanned::Spanned::span);
    match value {
        Some(Expr::Path(path)) if path.path.get_ident().is_some() => {
            path.path.get_ident().cloned().ok_or_else(|| syn::Error::new(span, "expected a name"))
        }
        _ => Err(syn::Error::new(span, format!("`{key}` takes a name, as in `{key} = …`, without quotes"))),
    }
}

fn text(key: &Ident, value: Option<Expr>) -> syn::Result<LitStr> {
    let span = value.as_ref().map_or(key.span(), syn::spanned::Spanned::span);
    match value {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => Ok(text),
        _ => Err(syn::Error::new(span, format!("`{key}` takes a text, as in `{key} = \"30s\"`"))),
    }
}

fn number(value: &LitInt, errors: &mut Errors) -> u32 {
    match value.base10_parse::<u32>() {
        Ok(number) if number > 0 => number,
        _ => {
            errors.at(value.span(), "versions are whole numbers from 1");
            1
        }
    }
}

fn unknown(typed: &str, keys: &[&str]) -> String {
    match suggest::nearest(typed, keys.iter().copied()) {
        Some(key) => format!("no key `{typed}`: did you mean `{key}`?"),
        None => format!(
            "no key `{typed}`; the keys are {}",
            keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ),
    }
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
