//! Measures, shortens and escapes text.
//!
//! The reader's font is unknown, so widths are those of a wide sans-serif font. Paddings absorb the difference.

use std::fmt::Write as _;

/// The width of `text` at `size` pixels, rounded up.
pub(crate) fn width(text: &str, size: i32) -> i32 {
    let hundredths: i32 = text.chars().map(advance).sum();
    (hundredths * size + 99) / 100
}

/// As [`width`], in bold.
pub(crate) fn bold_width(text: &str, size: i32) -> i32 {
    (width(text, size) * 113 + 99) / 100
}

/// `text` in one line, or in two about as long as each other, broken before a word, if it has more than `limit` characters.
pub(crate) fn halves(text: &str, limit: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let breaks = |at: &usize| {
        let (before, after) = (characters[*at - 1], characters[*at]);
        matches!(before, '_' | ' ' | '-' | ':') || cells(after) == 2 || (before.is_lowercase() && after.is_uppercase())
    };
    let middle = characters.len() / 2;
    let near = (characters.len() / 4..=characters.len() * 3 / 4).filter(|at| *at > 0).filter(breaks);
    match near.min_by_key(|at| at.abs_diff(middle)) {
        Some(at) if characters.len() > limit => {
            let part = |part: &[char]| part.iter().collect::<String>().trim().to_owned();
            vec![part(&characters[..at]), part(&characters[at..])]
        }
        _ => vec![text.to_owned()],
    }
}

/// The advance of one character in hundredths of the font size.
fn advance(c: char) -> i32 {
    match c {
        'i' | 'l' | 'j' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 33,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' => 42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 99,
        '0'..='9' | 'a'..='z' | '_' => 63,
        'A'..='Z' => 74,
        _ if cells(c) == 2 => 104,
        _ => 90,
    }
}

/// How many terminal cells a character takes.
pub(crate) fn cells(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// How many terminal cells a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// `text` on one line, without control or direction-changing characters, and at most `limit` characters long.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        for c in word.chars().filter(|c| !hidden(*c)) {
            if count + 1 >= limit {
                out.push('…');
                return out;
            }
            out.push(c);
            count += 1;
        }
    }
    out
}

/// `text` broken between words into lines that fit; only a word that fits on no line is broken itself. Nothing is left out.
pub(crate) fn wrap(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut add = |part: &str| {
        let last = lines.len() - 1;
        let longer = format!("{}{part}", lines[last]);
        if lines[last].is_empty() || fits(longer.trim_end()) {
            lines[last] = longer;
        } else {
            lines.push(part.to_owned());
        }
    };
    for word in text.split_inclusive(' ') {
        if fits(word.trim_end()) {
            add(word);
        } else {
            word.chars().for_each(|c| add(c.encode_utf8(&mut [0; 4])));
        }
    }
    lines.iter().map(|line| line.trim().to_owned()).collect()
}

/// `text` in at most `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += cells(c);
        if used > width {
            break;
        }
        out.push(c);
    }
    if width > 0 {
        out.push(if text.is_ascii() { '~' } else { '…' });
    }
    out
}

/// Characters that XML forbids, that steer a terminal, or that reorder the text around them.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0x200e | 0x200f | 0x202a..=0x202e | 0x2028 | 0x2029 | 0x2066..=0x2069 | 0xfffe | 0xffff)
}

/// `text` for XML content and attribute values, on one line.
///
/// Markdown stands around an inline picture, so characters that Markdown reads are escaped too.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in line(text, 2000).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' | '`' | '*' | '[' | ']' | '\\' | '$' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

/// A short id that differs between machines, for everything that is global to the page that shows a picture.
pub(crate) fn prefix(name: &str) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in name.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    format!("f{hash:08x}")
}
