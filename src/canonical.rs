//! The one form in which values enter a record, and the text from which subjects and digests are made. Invariant: equal values have equal
//! forms, whichever features of `serde_json` the program was built with, and every form can be read again from inside a record.
//!
//! | value | form |
//! |---|---|
//! | a map | its keys sorted |
//! | a `HashSet` | a list, sorted by the text of its elements |
//! | an integer | as it is, from -2⁶³ to 2⁶⁴ - 1; beyond that it is refused |
//! | a float | as an `f64`; NaN and infinities are refused |
//! | a value that nests more than 100 levels | refused |
//! | a map whose keys are not texts, integers, booleans or finite floats | refused |
//!
//! A list keeps its order, because order means something in most lists. A `HashSet` is recognised by its type, which `#[serde(with)]` and
//! `#[serde(transparent)]` hide: use a `BTreeSet` there.

mod build;
mod refused;
mod text;

pub(crate) use build::form;
use serde_json::Value;
pub(crate) use text::{digest, sorted, text};

/// Where two forms differ first: the path to it; none if they are equal.
pub(crate) fn difference(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        _ if one == other => None,
        (Value::Object(fields), Value::Object(others)) => {
            let names: std::collections::BTreeSet<_> = fields.keys().chain(others.keys()).collect();
            let differing = |name: &&String| fields.get(*name) != others.get(*name);
            let name = names.into_iter().find(differing)?;
            match (fields.get(name), others.get(name)) {
                (Some(field), Some(other)) => Some(joined(name, difference(field, other)?)),
                _ => Some(name.clone()),
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            let index = items.iter().zip(others).position(|(item, other)| item != other)?;
            Some(joined(&index.to_string(), difference(&items[index], &others[index])?))
        }
        _ => Some(String::new()),
    }
}

fn joined(name: &str, rest: String) -> String {
    if rest.is_empty() { name.to_owned() } else { format!("{name}.{rest}") }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

    use serde::Serialize;
    use serde_json::json;

    use super::build::DEEPEST;
    use super::*;

    fn why<T: Serialize>(value: &T) -> String {
        form(value).unwrap_err().to_string()
    }

    #[derive(Serialize)]
    struct Limits {
        cpu: f64,
        share: f32,
    }

    #[test]
    fn what_json_cannot_hold_is_refused_with_its_place() {
        let limits = |cpu| BTreeMap::from([("limits", vec![Limits { cpu, share: 0.1 }])]);
        assert_eq!(why(&limits(f64::NAN)), "`limits.0.cpu`: JSON has no number NaN");
        assert_eq!(why(&f64::INFINITY), "JSON has no number inf");
        assert_eq!(why(&Some(f32::NEG_INFINITY)), "JSON has no number -inf");
        assert_eq!(why(&HashMap::from([(vec![1], 1)])), "a key is a list or a map, and has to be a text");
        assert_eq!(why(&u128::MAX), format!("the number {} is out of range", u128::MAX));
        assert_eq!(why(&i128::MIN), format!("the number {} is out of range", i128::MIN));
        let fine = form(&limits(0.1)).unwrap();
        assert_eq!(text(&fine), r#"{"limits":[{"cpu":0.1,"share":0.10000000149011612}]}"#);
        assert_eq!(form(&u64::MAX).unwrap(), json!(u64::MAX));
        assert_eq!(form(&i128::from(i64::MIN)).unwrap(), json!(i64::MIN));
    }

    #[test]
    fn a_value_nests_as_deep_as_a_record_can_hold() {
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(form(&nested(DEEPEST)).is_ok());
        assert!(why(&nested(DEEPEST + 1)).ends_with("it nests more than 100 levels"));
    }

    #[test]
    fn every_shape_of_serde_has_the_form_that_serde_json_gives_it() {
        #[derive(Serialize)]
        enum Shape {
            Unit,
            New(u8),
            Tuple(u8, char),
            Fields { a: Option<u8>, b: () },
        }
        #[derive(Serialize)]
        struct Marker;
        #[derive(Serialize)]
        struct Pair(u8, bool);
        let shapes =
            (Shape::Unit, Shape::New(1), Shape::Tuple(1, 'x'), Shape::Fields { a: None, b: () }, Marker, Pair(1, true));
        assert_eq!(form(&shapes).unwrap(), serde_json::to_value(&shapes).unwrap());
        let keys = (
            BTreeMap::from([(-1, 'a')]),
            BTreeMap::from([(true, 'b')]),
            BTreeMap::from([('c', Some(1.5))]),
            BTreeMap::from([("text", 1_u8)]),
        );
        assert_eq!(form(&keys).unwrap(), serde_json::to_value(&keys).unwrap());
        let any = json!({ "a": [null, true, -1, 1, 1.5, "x", { "b": {} }] });
        assert_eq!(form(&any).unwrap(), any);
    }

    #[test]
    fn the_text_of_a_map_or_a_set_does_not_depend_on_its_order() {
        let texts = |numbers: &mut dyn Iterator<Item = u32>| {
            let numbers: Vec<u32> = numbers.collect();
            let map: HashMap<String, u32> = numbers.iter().map(|number| (number.to_string(), *number)).collect();
            let set: HashSet<u32> = numbers.iter().copied().collect();
            let inside = Some(Box::new(numbers.iter().map(|number| vec![*number]).collect::<HashSet<_>>()));
            text(&form(&(map, set, inside)).unwrap())
        };
        let forwards = texts(&mut (0..50));
        assert_eq!(forwards, texts(&mut (0..50).rev()));
        assert!(forwards.starts_with(r#"[{"0":0,"1":1,"10":10,"#), "{forwards}");
        assert_ne!(text(&form(&["b", "a"]).unwrap()), text(&form(&["a", "b"]).unwrap()), "a list has an order");
    }

    #[test]
    fn the_first_difference_has_a_path() {
        let one = json!({ "a": { "b": [1, 2] }, "c": 1 });
        assert_eq!(difference(&one, &one), None);
        assert_eq!(difference(&one, &json!({ "a": { "b": [1, 3] }, "c": 1 })).unwrap(), "a.b.1");
        assert_eq!(difference(&one, &json!({ "a": { "b": [1] }, "c": 1 })).unwrap(), "a.b");
        assert_eq!(difference(&one, &json!({ "a": { "b": [1, 2] } })).unwrap(), "c");
        assert_eq!(difference(&json!(1), &json!(2)).unwrap(), "");
    }
}
