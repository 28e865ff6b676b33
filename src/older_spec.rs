//! Specs that an older release has recorded. Invariant: what is tested before a release is what a controller does after it, because both read a spec here.

use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;

use crate::{Resource, canonical};

/// The recorded spec. What an older version of its type did not have, and this one requires, is as the resource has it now. If a field is missing while another one
/// is not known any more, it may be the same one under another name, so nothing is filled in.
pub(crate) fn read<R: Resource>(recorded: &Value, resource: &R) -> Result<R::Spec, serde_json::Error> {
    R::Spec::deserialize(recorded).or_else(|error| {
        let filled = || {
            let own = canonical::form(resource.spec()).ok()?;
            let spec = R::Spec::deserialize(&filled(recorded, &own)).ok()?;
            let now = canonical::form(&spec).ok()?;
            dropped("", recorded, &now).is_empty().then_some(spec)
        };
        filled().ok_or(error)
    })
}

/// The recorded value, with the fields that only the other one has.
fn filled(recorded: &Value, own: &Value) -> Value {
    let (Value::Object(recorded), Value::Object(own)) = (recorded, own) else { return recorded.clone() };
    let mut all = own.clone();
    for (name, value) in recorded {
        let value = own.get(name).map_or_else(|| value.clone(), |own| filled(value, own));
        all.insert(name.clone(), value);
    }
    Value::Object(all)
}

/// Asserts that the specs which the last release has recorded can be read. `path` is a file with the spec of a `resource` as that release wrote it.
///
/// An intent records the spec that is sent, so that it is sent again as it was. A spec whose type has changed meanwhile is read like this: a field that is missing
/// has its default (`#[serde(default)]`), or the value that the resource has now. If a field is missing while another one is not known any more, it may have been
/// renamed: that and whatever else does not decode holds the resource.
///
/// If there is no such file, or the environment has `UPDATE_LOCK=1`, the file is written from `resource`: choose one that uses every field. Do that once for each
/// release, beside the lock file of the machine (`graph::json::assert_compatible`). A relative path starts in the folder of the package. Fields that
/// the new type no longer has are printed: they are not sent any more.
///
/// ```no_run
/// # use durable_fsm::{Resource, ResourceId};
/// # #[derive(Clone)] struct Site;
/// # impl Resource for Site {
/// #     type Spec = ();
/// #     fn id(&self) -> ResourceId { ResourceId::new("", "a") }
/// #     fn uid(&self) -> &str { "u" }
/// #     fn spec(&self) -> &() { &() }
/// # }
/// # let every_field = Site;
/// // In a test:
/// durable_fsm::assert_spec_compatible("site.spec.json", &every_field);
/// ```
///
/// # Panics
/// If the spec in the file cannot be read; the text says what to add. If the file cannot be read or written.
#[track_caller]
pub fn assert_spec_compatible<R: Resource>(path: impl AsRef<Path>, resource: &R) {
    let path = path.as_ref();
    let fail = |why: &dyn std::fmt::Display| -> ! { panic!("{}: {why}", path.display()) };
    let own = canonical::form(resource.spec()).unwrap_or_else(|error| fail(&error));
    let found = std::fs::read_to_string(path);
    let is_missing = found.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if is_missing || std::env::var_os("UPDATE_LOCK").is_some_and(|value| value == "1") {
        let text = serde_json::to_string_pretty(&own).unwrap_or_else(|error| fail(&error));
        std::fs::write(path, text + "\n").unwrap_or_else(|error| fail(&error));
        return;
    }
    let text = found.unwrap_or_else(|error| fail(&error));
    let recorded: Value = serde_json::from_str(&text).unwrap_or_else(|error| fail(&error));
    match read(&recorded, resource) {
        Ok(spec) => {
            let now = canonical::form(&spec).unwrap_or_else(|error| fail(&error));
            dropped("", &recorded, &now)
                .iter()
                .for_each(|field| println!("{}: `{field}` is not sent any more", path.display()));
        }
        Err(error) => fail(&format_args!(
            "records with this spec would be held: {error}; give the field `#[serde(alias = \"…\")]` with its old name, or a type that reads the old value"
        )),
    }
}

/// The fields of one value that the other one lacks. One that is null may be left out.
fn dropped(at: &str, one: &Value, other: &Value) -> Vec<String> {
    let (Value::Object(one), Value::Object(other)) = (one, other) else { return Vec::new() };
    let fields = one.iter().flat_map(|(name, value)| {
        let path = format!("{at}{name}");
        match other.get(name) {
            Some(other) => dropped(&format!("{path}."), value, other),
            None if value.is_null() => vec![],
            None => vec![path],
        }
    });
    fields.collect()
}
