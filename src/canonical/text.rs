//! The text of a canonical form. Invariant: it depends on the form alone, not on the order in which an object was filled.

use serde_json::Value;

/// The text of a canonical form: no spaces, keys sorted by their bytes.
pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    write_text(value, &mut text);
    text
}

fn write_text(value: &Value, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_text(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (index, (name, field)) in sorted(fields).into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_text(field, text);
            }
            text.push('}');
        }
    }
}

/// The fields of an object, sorted by name: the object itself keeps the order of insertion where another crate wants that.
pub(crate) fn sorted(fields: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    fields
}

/// A number that differs for values that differ, and is the same for equal ones.
pub(crate) fn digest(value: &Value) -> u64 {
    let hash = blake3::hash(text(value).as_bytes());
    hash.as_bytes()[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
