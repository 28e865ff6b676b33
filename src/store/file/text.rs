//! The text of a record's file. Invariant: what was written comes back byte for byte, and a JSON document is laid out for readers.

/// Marks a file whose content is not laid out: what follows is the content as it is.
const AS_IT_IS: u8 = b' ';

/// The text for a record: JSON that has no space of its own is laid out over several lines.
pub(super) fn lay_out(record: &[u8]) -> Vec<u8> {
    let text = indented(record);
    if compacted(&text) == record {
        return text;
    }
    let mut text = Vec::with_capacity(record.len() + 1);
    text.push(AS_IT_IS);
    text.extend_from_slice(record);
    text
}

/// The record for a text.
pub(super) fn read_back(text: &[u8]) -> Vec<u8> {
    match text.split_first() {
        Some((&AS_IT_IS, record)) => record.to_vec(),
        _ => compacted(text),
    }
}

/// Walks over JSON and gives each byte, with whether it is within a string.
fn bytes(json: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let (mut inside, mut escaped) = (false, false);
    json.iter().map(move |&byte| {
        let was_inside = inside;
        match byte {
            b'"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = was_inside && byte == b'\\' && !escaped;
        (byte, was_inside)
    })
}

/// JSON without the space between its tokens.
fn compacted(text: &[u8]) -> Vec<u8> {
    let is_space = |byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    bytes(text).filter(|(byte, inside)| *inside || !is_space(*byte)).map(|(byte, _)| byte).collect()
}

/// Compact JSON over several lines; an empty object or list stays on its line.
fn indented(json: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(json.len() * 3 / 2);
    let mut depth = 0_usize;
    let mut opened = false;
    for (byte, inside) in bytes(json) {
        let (opens, closes) = (!inside && matches!(byte, b'{' | b'['), !inside && matches!(byte, b'}' | b']'));
        if closes {
            depth = depth.saturating_sub(1);
        }
        if opened != closes {
            new_line(&mut text, depth);
        }
        text.push(byte);
        match byte {
            b',' if !inside => new_line(&mut text, depth),
            b':' if !inside => text.push(b' '),
            _ => {}
        }
        depth += usize::from(opens);
        opened = opens;
    }
    text.push(b'\n');
    text
}

fn new_line(text: &mut Vec<u8>, depth: usize) {
    text.push(b'\n');
    // A document that is nested deeper than a reader can follow is not indented further.
    text.resize(text.len() + 2 * depth.min(32), b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_for_readers() {
        let record = br#"{"a":{"b\\\"{":[1,2,[]]},"c":{},"d":"x, y: \u007b"}"#;
        let text = "{\n  \"a\": {\n    \"b\\\\\\\"{\": [\n      1,\n      2,\n      []\n    ]\n  },\n  \"c\": {},\n  \"d\": \"x, y: \\u007b\"\n}\n";
        assert_eq!(String::from_utf8(lay_out(record)).unwrap(), text);
        assert_eq!(read_back(text.as_bytes()), record);
    }

    #[test]
    fn what_was_edited_by_hand_is_read_as_json() {
        assert_eq!(read_back(b"{ \"a\" :\t[1,\r\n 2] }\n"), br#"{"a":[1,2]}"#);
    }

    proptest::proptest! {
        #[test]
        fn whatever_was_written_comes_back(record in "([\\[\\]{}:,\" \\\\\n]|[a-z0-9])*") {
            proptest::prop_assert_eq!(read_back(&lay_out(record.as_bytes())), record.as_bytes());
        }
    }
}
