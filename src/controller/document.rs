//! Documents as serde sees them. Invariant: a file is read whole or not at all, and one that has no document in it is an error: it may be
//! half-written.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Resource;

/// The documents of a file, by the ending of its name.
///
/// # Errors
/// Why it cannot be read, for people.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Value>, String> {
    let documents: Vec<Value> = if name.ends_with(".json") {
        vec![serde_json::from_str(text).map_err(|error| error.to_string())?]
    } else {
        serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?
    };
    // A document that is empty stands between two separators and says nothing.
    let documents: Vec<Value> = documents.into_iter().filter(|document| !document.is_null()).collect();
    if documents.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(documents)
}

/// The resource of a document. If the document says no uid and the resource needs one, `uid` gives it, for the resource as it is without.
///
/// # Errors
/// Why it is no resource, for people.
pub(super) fn resource<R: Resource + DeserializeOwned>(
    document: &Value,
    uid: impl FnOnce(&R) -> String,
) -> Result<R, String> {
    let with_uid = |uid: &str| {
        let mut document = document.clone();
        if let Value::Object(fields) = &mut document {
            fields.insert("uid".to_owned(), Value::from(uid));
        }
        R::deserialize(document).map_err(|error| error.to_string())
    };
    let says_uid = document.get("uid").is_some();
    let found = match R::deserialize(document) {
        Ok(resource) => resource,
        Err(error) if says_uid => return Err(error.to_string()),
        Err(_) => with_uid("none yet")?,
    };
    let needs_uid = found.uid().is_empty() || found.uid() == "none yet";
    let resource = if needs_uid && !says_uid { with_uid(&uid(&found))? } else { found };
    if resource.uid().is_empty() {
        return Err("its uid is empty; leave `uid` out to get one".to_owned());
    }
    Ok(resource)
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::ResourceId;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Tenant {
        name: String,
        uid: String,
    }

    impl Resource for Tenant {
        type Spec = ();
        fn id(&self) -> ResourceId {
            ResourceId::new("", &self.name)
        }
        fn uid(&self) -> &str {
            &self.uid
        }
        fn spec(&self) -> &() {
            &()
        }
    }

    /// Its uid is its name.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    impl Resource for Named {
        type Spec = ();
        fn id(&self) -> ResourceId {
            ResourceId::new("", &self.name)
        }
        fn uid(&self) -> &str {
            &self.name
        }
        fn spec(&self) -> &() {
            &()
        }
    }

    #[test]
    fn files_are_read_whole_or_not_at_all() {
        assert_eq!(read("a.json", r#"{"a": 1}"#).unwrap(), [json!({"a": 1})]);
        let several = "---\na: 1\nb: [x, 'y']\n---\n# nothing\n---\na: 2\n";
        assert_eq!(read("a.yaml", several).unwrap(), [json!({"a": 1, "b": ["x", "y"]}), json!({"a": 2})]);
        for (name, text) in [
            ("a.json", ""),
            ("a.json", "{\"a\": 1"),
            ("a.json", "null"),
            ("a.yaml", ""),
            ("a.yaml", "# only a comment\n"),
            ("a.yaml", "a: [1"),
            ("a.yaml", "a: 1\n---\na: [1"),
        ] {
            assert!(read(name, text).is_err(), "{name} {text}");
        }
    }

    #[test]
    fn a_uid_is_given_only_where_one_is_needed_and_none_is_said() {
        let given = |document: Value| resource::<Tenant>(&document, |it| format!("uid of {}", it.name));
        let tenant = |uid: &str| Tenant { name: "a".to_owned(), uid: uid.to_owned() };
        assert_eq!(given(json!({"name": "a"})), Ok(tenant("uid of a")));
        assert_eq!(given(json!({"name": "a", "uid": "mine"})), Ok(tenant("mine")));
        assert!(given(json!({"name": "a", "uid": ""})).unwrap_err().contains("uid is empty"));
        assert!(given(json!({"name": "a", "uid": 5})).is_err());
        assert!(given(json!({"nam": "a"})).unwrap_err().contains("nam"));
        assert!(given(json!("a")).is_err());
        let named = resource::<Named>(&json!({"name": "a"}), |_| unreachable!("it has one")).unwrap();
        assert_eq!(named.uid(), "a");
    }
}
