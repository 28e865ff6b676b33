//! Which objects a list, a watch or a delete-collection is about.

use serde_json::Value;

use crate::object;
use crate::refusal::Refusal;
use crate::request::Query;

/// A label selector and a field selector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    pub(crate) fn new(query: &Query) -> Result<Self, Refusal> {
        let parse = |name: &str| match query.get(name) {
            None => Ok(Vec::new()),
            Some(text) => split(text).into_iter().map(Requirement::parse).collect::<Result<Vec<_>, _>>(),
        };
        let selector = Self { labels: parse("labelSelector")?, fields: parse("fieldSelector")? };
        let known = |it: &&Requirement| !matches!(it.key.as_str(), "metadata.name" | "metadata.namespace");
        match selector.fields.iter().find(known) {
            Some(unknown) => Err(Refusal::bad_request(format!("field label not supported: {}", unknown.key))),
            None => Ok(selector),
        }
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        let field = |key: &str| Some(object::metadata(object, key.trim_start_matches("metadata.")));
        self.labels.iter().all(|it| it.accepts(label(&it.key)))
            && self.fields.iter().all(|it| it.accepts(field(&it.key)))
    }
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let unreadable = || Refusal::bad_request(format!("unable to parse requirement: {text:?}"));
        let one = |key: &str, value: &str, test: fn(Vec<String>) -> Test| {
            let key = key.trim().to_owned();
            let value = value.trim().to_owned();
            if key.is_empty() || value.contains(['=', '!', ' ']) {
                Err(unreadable())
            } else {
                Ok(Self { key, test: test(vec![value]) })
            }
        };
        if let Some((key, value)) = text.split_once("!=") {
            return one(key, value, Test::NotIn);
        }
        if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return one(key, value, Test::In);
        }
        if let Some((head, values)) = text.split_once('(') {
            let values =
                values.strip_suffix(')').ok_or_else(unreadable)?.split(',').map(|it| it.trim().to_owned()).collect();
            return match head.split_whitespace().collect::<Vec<_>>()[..] {
                [key, "in"] => Ok(Self { key: key.to_owned(), test: Test::In(values) }),
                [key, "notin"] => Ok(Self { key: key.to_owned(), test: Test::NotIn(values) }),
                _ => Err(unreadable()),
            };
        }
        let (key, test) = text.strip_prefix('!').map_or((text, Test::Exists), |key| (key, Test::Absent));
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(unreadable());
        }
        Ok(Self { key: key.to_owned(), test })
    }

    fn accepts(&self, value: Option<&str>) -> bool {
        let is_among = |values: &[String]| value.is_some_and(|value| values.iter().any(|it| it == value));
        match &self.test {
            Test::In(values) => is_among(values),
            Test::NotIn(values) => !is_among(values),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
        }
    }
}

/// Splits at the commas that are not in brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_matched_as_kubernetes_matches_them() {
        let object = json!({"metadata": {"labels": {"app": "db", "tier": "back"}}});
        let rows = [
            ("app=db", true),
            ("app==db", true),
            ("app=web", false),
            ("other=db", false),
            ("app!=db", false),
            ("app!=web", true),
            ("other!=db", true),
            ("app in (web, db)", true),
            ("app notin (web,db)", false),
            ("other notin (web)", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("app in (web,db),tier=back", true),
            ("app=db,tier=front", false),
        ];
        for (text, expected) in rows {
            let labels = split(text).into_iter().map(|it| Requirement::parse(it).unwrap()).collect();
            assert_eq!(Selector { labels, fields: Vec::new() }.matches(&object), expected, "{text}");
        }
        for text in ["a===b", "=b", "", "a b", "a within (b)", "a in (b"] {
            assert_eq!(Requirement::parse(text).unwrap_err().code, 400, "{text}");
        }
    }
}
