//! File names for resource names. Invariant: two different names never share a file name, also on a file system that ignores case, and no
//! file name has a separator, is `.` or `..`, or is longer than a file system takes.

/// How long an escaped name may be before it is shortened; file systems take 255 bytes, and the temporary suffix wants some.
const LONGEST: usize = 200;

/// The file name for a name.
pub(super) fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len() + 1);
    for byte in name.bytes() {
        // Upper case is escaped too, because some file systems take `A` and `a` for the same.
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02x}"));
        }
    }
    if escaped.is_empty() {
        return "%".to_owned();
    }
    escaped
}

/// The name for a file name; none if no name has this file name.
pub(super) fn unescape(file: &str) -> Option<String> {
    if file == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(file.len());
    let mut rest = file.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (escape(&name) == file).then_some(name)
}

/// The parts of a path that stand for a name: one, or more where one would be too long.
pub(super) fn parts(name: &str) -> Vec<String> {
    let escaped = escape(name);
    // A part never ends inside an escape; a part that goes on ends in `+`, which no escaped name has.
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut rest = escaped.as_str();
    while !rest.is_empty() {
        let step = if rest.starts_with('%') { 3.min(rest.len()) } else { 1 };
        if part.len() + step > LONGEST {
            part.push('+');
            parts.push(std::mem::take(&mut part));
        }
        part.push_str(&rest[..step]);
        rest = &rest[step..];
    }
    parts.push(part);
    parts
}

/// The name for the parts of a path.
pub(super) fn joined(parts: &[String]) -> Option<String> {
    let (last, before) = parts.split_last()?;
    let mut escaped = String::new();
    for part in before {
        escaped.push_str(part.strip_suffix('+')?);
    }
    escaped.push_str(last);
    let name = unescape(&escaped)?;
    (self::parts(&name) == parts).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_come_back_and_stay_inside() {
        let long = "x".repeat(1000);
        let dots = ".".repeat(700);
        let wide = "ü".repeat(300);
        let names = [
            "",
            ".",
            "..",
            "...",
            "/",
            "a/b",
            "../../etc/passwd",
            "a\0b",
            "A",
            "a",
            "%",
            "%41",
            "+",
            "a+",
            "con",
            ".lock",
            "x.json",
            "x.json.tmp",
            " ",
            "\n",
            "日本",
            &long,
            &dots,
            &wide,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let parts = parts(name);
            assert_eq!(joined(&parts).as_deref(), Some(name));
            assert!(seen.insert(parts.clone()), "{name:?}");
            for part in &parts {
                assert!(
                    !part.is_empty() && !part.starts_with('.') && !part.contains('/') && !part.contains('\0'),
                    "{part}"
                );
                assert!(part.len() <= 255 - ".json.tmp".len(), "{}", part.len());
            }
        }
    }

    #[test]
    fn plain_names_are_left_alone_and_long_ones_are_cut_where_they_must_be() {
        assert_eq!(parts("a-b_9"), ["a-b_9"]);
        let (fits, exceeds) = ("x".repeat(LONGEST), "x".repeat(LONGEST + 1));
        assert_eq!(parts(&fits), [&*fits]);
        assert_eq!(parts(&exceeds), [format!("{fits}+"), "x".to_owned()]);
    }

    proptest::proptest! {
        #[test]
        fn every_name_comes_back(name in ".*", other in ".*") {
            proptest::prop_assert_eq!(joined(&parts(&name)), Some(name.clone()));
            proptest::prop_assert_eq!(parts(&name) == parts(&other), name == other);
        }
    }
}
