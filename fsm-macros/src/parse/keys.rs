//! Keys and values of attributes. Invariant: a key that is not understood does not hide those that follow it.

use proc_macro2::TokenTree;
use syn::buffer::Cursor;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Token};

use crate::suggest;

/// Reads `key`, `key = value`, … to the end. `set` is given the stream behind the `=`, if there is one; its mistakes are collected.
pub(super) fn each(
    input: ParseStream<'_>,
    mut set: impl FnMut(&Ident, Option<ParseStream<'_>>) -> syn::Result<()>,
) -> Vec<syn::Error> {
    let mut errors = Vec::new();
    while !input.is_empty() {
        if let Err(error) = one(input, &mut set) {
            errors.push(error);
            while !input.is_empty() && !input.peek(Token![,]) {
                drop(input.parse::<TokenTree>());
            }
        }
        drop(input.parse::<Option<Token![,]>>());
    }
    errors
}

fn one(
    input: ParseStream<'_>,
    set: &mut impl FnMut(&Ident, Option<ParseStream<'_>>) -> syn::Result<()>,
) -> syn::Result<()> {
    let key = input.call(Ident::parse_any)?;
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), format!("`{key} =` has no value: write one, as in `{key} = …`")));
        }
        set(&key, Some(input))?;
    } else if input.peek(syn::token::Paren) {
        set(&key, Some(input))?;
    } else {
        set(&key, None)?;
    }
    if input.is_empty() || input.peek(Token![,]) {
        Ok(())
    } else {
        Err(input.error(format!("this does not belong to `{key}`; keys are separated by commas")))
    }
}

/// What stands behind the `=`.
pub(super) fn value(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<Expr> {
    let value = value.ok_or_else(|| syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = …`")))?;
    value.parse().map(bare)
}

/// What a macro hands over stands in invisible brackets.
fn bare(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => bare(*group.expr),
        value => value,
    }
}

/// Whether one token stands behind the `=`, as almost always; to read any expression takes far longer.
fn is_one_token(value: ParseStream<'_>) -> bool {
    let ends = |rest: Cursor<'_>| rest.eof() || rest.punct().is_some_and(|(punct, _)| punct.as_char() == ',');
    value.cursor().token_tree().is_some_and(|(_, rest)| ends(rest))
}

/// A key that stands alone.
pub(super) fn flag(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<()> {
    match value {
        Some(value) => Err(value.error(format!("`{key}` takes no value: write it alone"))),
        None => Ok(()),
    }
}

pub(super) fn once<T>(key: &Ident, slot: &mut Option<T>, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(key.span(), format!("`{key}` is given twice; keep one")));
    }
    *slot = Some(value);
    Ok(())
}

pub(super) fn word(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<Ident> {
    if let Some(value) = value.filter(|value| value.peek(Ident) && is_one_token(value)) {
        return value.parse();
    }
    let value = self::value(key, value)?;
    match &value {
        Expr::Path(path) if path.path.get_ident().is_some() => {
            path.path.get_ident().cloned().ok_or_else(|| syn::Error::new(value.span(), "expected a name"))
        }
        _ => Err(syn::Error::new(value.span(), format!("`{key}` takes a name, as in `{key} = …`, without quotes"))),
    }
}

/// What requests are delivered: `once` is the only thing that can be said of it.
pub(super) fn transport(value: Ident) -> syn::Result<Ident> {
    if value == "once" {
        return Ok(value);
    }
    let text = "`transport` takes `once`, if nothing on the way duplicates a request and the client never repeats one by itself; otherwise leave it out";
    Err(syn::Error::new(value.span(), text))
}

pub(super) fn text(key: &Ident, value: Option<ParseStream<'_>>, example: &str) -> syn::Result<LitStr> {
    if let Some(value) = value.filter(|value| value.peek(LitStr) && is_one_token(value)) {
        return value.parse();
    }
    let value = self::value(key, value)?;
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        _ => Err(syn::Error::new(value.span(), format!("`{key}` takes a text, as in `{key} = \"{example}\"`"))),
    }
}

/// Names of before: one text, or several with `|` between them.
pub(super) fn names(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<Vec<LitStr>> {
    let wrong = |span| {
        syn::Error::new(
            span,
            format!(
                "`{key}` takes the name of before, as in `{key} = \"OldName\"`; several, the first one first: `{key} = \"First\" | \"Second\"`"
            ),
        )
    };
    let value = value.ok_or_else(|| wrong(key.span()))?;
    let mut names = Vec::new();
    loop {
        names.push(value.parse::<LitStr>().map_err(|error| wrong(error.span()))?);
        if !value.peek(Token![|]) {
            return Ok(names);
        }
        value.parse::<Token![|]>()?;
    }
}

/// How many times, at least once.
pub(super) fn count(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<(u32, proc_macro2::Span)> {
    let value = self::value(key, value)?;
    let number = match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    number
        .filter(|number| *number > 0)
        .map(|number| (number, key.span()))
        .ok_or_else(|| syn::Error::new(value.span(), format!("`{key}` takes a whole number from 1")))
}

/// How many more, or none.
pub(super) fn surplus(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<(u32, proc_macro2::Span)> {
    let value = self::value(key, value)?;
    let number = match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    number
        .map(|number| (number, key.span()))
        .ok_or_else(|| syn::Error::new(value.span(), format!("`{key}` takes a whole number, 0 or more")))
}

/// A version.
pub(super) fn number(key: &Ident, value: Option<ParseStream<'_>>) -> syn::Result<(u32, proc_macro2::Span)> {
    let value = self::value(key, value)?;
    let number = match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    match number {
        Some(number) if number > 0 => Ok((number, value.span())),
        _ => Err(syn::Error::new(value.span(), "versions are whole numbers from 1")),
    }
}

pub(super) fn unknown(typed: &Ident, keys: &[&str]) -> syn::Error {
    let text = match suggest::nearest(&typed.to_string(), keys.iter().copied()) {
        Some(key) => format!("no key `{typed}`: did you mean `{key}`?"),
        None => format!(
            "no key `{typed}`; the keys are {}",
            keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    syn::Error::new(typed.span(), text)
}
