//! The names that generated items have.

use syn::Ident;
use syn::ext::IdentExt as _;

/// The prefix of generated names: the enum's name without `Flow`.
pub(crate) fn prefix(ident: &Ident) -> String {
    let name = ident.unraw().to_string();
    match name.strip_suffix("Flow") {
        Some(prefix) if !prefix.is_empty() => prefix.to_owned(),
        _ => name,
    }
}

/// `create_room` with `Next` is `CreateRoomNext`.
pub(crate) fn pascal(ident: &Ident, suffix: &str) -> Ident {
    let mut name = String::new();
    for word in ident.unraw().to_string().split('_') {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            name.extend(first.to_uppercase());
            name.push_str(letters.as_str());
        }
    }
    Ident::new(&format!("{name}{suffix}"), ident.span())
}

/// `RoomCreated` is `room_created`.
pub(crate) fn snake(ident: &Ident) -> Ident {
    let mut name = String::new();
    let mut previous_lower = false;
    for letter in ident.unraw().to_string().chars() {
        if letter.is_uppercase() && previous_lower {
            name.push('_');
        }
        previous_lower = letter.is_lowercase() || letter.is_ascii_digit();
        name.extend(letter.to_lowercase());
    }
    // No keyword has an underscore.
    if name.contains('_') || syn::parse_str::<Ident>(&name).is_ok() {
        Ident::new(&name, ident.span())
    } else {
        Ident::new_raw(&name, ident.span())
    }
}
