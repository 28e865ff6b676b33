//! What a path names.

use crate::kind::Kind;

/// A kind, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The kind's place in the server's list of kinds.
    pub(crate) kind: usize,
    /// None outside namespaces and for all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Address {
    /// Reads a path such as `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME/SUBRESOURCE`; none if no such kind is served.
    pub(crate) fn parse(path: &str, kinds: &[Kind]) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let find = |plural: &str, is_namespaced: Option<bool>| {
            kinds.iter().position(|it| {
                it.group == group
                    && it.version == version
                    && it.plural == plural
                    && is_namespaced.is_none_or(|wanted| it.is_namespaced == wanted)
            })
        };
        let (kind, namespace, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if find(plural, Some(true)).is_some() => {
                (find(plural, Some(true))?, Some((*namespace).to_owned()), rest)
            }
            [plural] => (find(plural, None)?, None, &[][..]),
            [plural, rest @ ..] => (find(plural, Some(false))?, None, rest),
            [] => return None,
        };
        let (name, subresource) = match rest {
            [] => (None, None),
            [name] => (Some(*name), None),
            [name, subresource] => (Some(*name), Some(*subresource)),
            _ => return None,
        };
        Some(Self { kind, namespace, name: name.map(str::to_owned), subresource: subresource.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_kind_and_a_place_in_it() {
        let kinds = [Kind::namespaces(), Kind::new("a.b", "v1", "W", "ws"), Kind::new("", "v1", "Secret", "secrets")];
        let address = |kind, namespace: &str, name: &str, subresource: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Some(Address { kind, namespace: some(namespace), name: some(name), subresource: some(subresource) })
        };
        let rows = [
            ("/api/v1/namespaces", address(0, "", "", "")),
            ("/api/v1/namespaces/n", address(0, "", "n", "")),
            ("/api/v1/namespaces/n/status", address(0, "", "n", "status")),
            ("/api/v1/namespaces/n/secrets", address(2, "n", "", "")),
            ("/api/v1/namespaces/n/secrets/s", address(2, "n", "s", "")),
            ("/apis/a.b/v1/ws", address(1, "", "", "")),
            ("/apis/a.b/v1/namespaces/n/ws/x/status", address(1, "n", "x", "status")),
            ("/apis/a.b/v1/ws/x", None),
            ("/apis/a.b/v2/ws", None),
            ("/apis/a.b/v1/namespaces/n/ws/x/status/y", None),
            ("/readyz", None),
        ];
        for (path, expected) in rows {
            assert_eq!(Address::parse(path, &kinds), expected, "{path}");
        }
    }
}
