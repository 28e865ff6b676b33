//! Text in a URL. Invariant: what comes out has letters, digits and percent signs only.

pub(super) fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
