//! Writes a record as JSON. Invariant: what it writes is, byte for byte, what `serde_json` would write.
//!
//! Every write of a record encodes all of it, and nearly all of it is text that needs no escape. `serde_json` looks at such a text byte by byte; this
//! looks at eight bytes at a time. What a record hardly ever holds is left to `serde_json`.

use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};
use serde_json::{Error, Value};

/// Adds a value to these bytes, as JSON without spaces.
///
/// # Errors
/// `serde_json`'s, for what JSON cannot hold.
pub(super) fn write<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    value.serialize(Writer(bytes, None))
}

/// As [`write()`], for a struct of which one field is a list whose items are written already.
pub(super) fn write_with<T: Serialize>(bytes: &mut Vec<u8>, value: &T, list: Known<'_>) -> Result<(), Error> {
    value.serialize(Writer(bytes, Some(list)))
}

/// The name of a field that is a list, and its items as JSON.
pub(super) type Known<'k> = (&'static str, &'k [u8]);

struct Writer<'b>(&'b mut Vec<u8>, Option<Known<'b>>);

/// A list, an object, or one of them inside an object that names a variant.
struct Inside<'b> {
    bytes: &'b mut Vec<u8>,
    is_first: bool,
    end: &'static [u8],
    known: Option<Known<'b>>,
    /// It is a number of any length or raw JSON of `serde_json`, which comes as a text.
    is_raw: bool,
}

/// Whether JSON has each of these bytes in a text as it is.
fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(&[a, b, c, d]), Some(&[e, f, g, h])) => escaped([a, b, c, d, e, f, g, h]) == 0,
            _ => bytes.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\'),
        };
    };
    let mut found = escaped(*last);
    let mut rest = bytes;
    while let Some((eight, more)) = rest.split_first_chunk() {
        found |= escaped(*eight);
        rest = more;
    }
    found == 0
}

/// Zero if JSON has each of these eight bytes in a text as it is.
fn escaped(eight: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let all = |byte: u8| ONES * u64::from(byte);
    let eight = u64::from_le_bytes(eight);
    // Where a byte is less than what is taken from it, its high bit is set and was not before. A byte is a quote if what tells it from one is less than 1.
    let below = eight.wrapping_sub(all(b' '));
    let quotes = (eight ^ all(b'"')).wrapping_sub(ONES);
    let slashes = (eight ^ all(b'\\')).wrapping_sub(ONES);
    (below | quotes | slashes) & !eight & HIGH
}

fn write_text(bytes: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    if !is_plain(text.as_bytes()) {
        return serde_json::to_writer(bytes, text);
    }
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'"');
    Ok(())
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&digits[first..]);
}

impl<'b> Writer<'b> {
    /// What `serde_json` writes.
    fn rare<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(self.0, value)
    }

    fn inside(self, begin: &[u8], end: &'static [u8]) -> Result<Inside<'b>, Error> {
        self.0.extend_from_slice(begin);
        Ok(Inside { bytes: self.0, is_first: true, end, known: self.1, is_raw: false })
    }

    fn variant(self, name: &str, begin: u8, end: &'static [u8]) -> Result<Inside<'b>, Error> {
        self.0.push(b'{');
        write_text(self.0, name)?;
        self.0.push(b':');
        self.inside(&[begin], end)
    }
}

impl<'b> Serializer for Writer<'b> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Inside<'b>;
    type SerializeTuple = Inside<'b>;
    type SerializeTupleStruct = Inside<'b>;
    type SerializeTupleVariant = Inside<'b>;
    type SerializeMap = Inside<'b>;
    type SerializeStruct = Inside<'b>;
    type SerializeStructVariant = Inside<'b>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }
    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        if value < 0 {
            self.0.push(b'-');
        }
        write_number(self.0, value.unsigned_abs());
        Ok(())
    }
    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.rare(&value)
    }
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        write_number(self.0, value);
        Ok(())
    }
    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.rare(&value)
    }
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.rare(&value)
    }
    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.rare(&value)
    }
    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.rare(&value)
    }
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        write_text(self.0, value)
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.collect_seq(value)
    }
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        write_text(self.0, variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut inside = self.inside(b"{", b"}")?;
        SerializeStruct::serialize_field(&mut inside, variant, value)?;
        inside.finish()
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Inside<'b>, Error> {
        self.inside(b"[", b"]")
    }
    fn serialize_tuple(self, _: usize) -> Result<Inside<'b>, Error> {
        self.inside(b"[", b"]")
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside<'b>, Error> {
        self.inside(b"[", b"]")
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'b>, Error> {
        self.variant(variant, b'[', b"]}")
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Inside<'b>, Error> {
        self.inside(b"{", b"}")
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Inside<'b>, Error> {
        if name.starts_with("$serde_json::private::") {
            return Ok(Inside { bytes: self.0, is_first: true, end: b"", known: None, is_raw: true });
        }
        self.inside(b"{", b"}")
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'b>, Error> {
        self.variant(variant, b'{', b"}}")
    }
}

impl Inside<'_> {
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.bytes.push(b',');
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if self.is_raw {
            let Value::String(json) = serde_json::to_value(value)? else {
                return Err(Error::custom("a number or raw JSON is not given as text"));
            };
            self.bytes.extend_from_slice(json.as_bytes());
            return Ok(());
        }
        // The names of a program's fields are written as they are: what would need an escape cannot stand in one.
        self.bytes.extend_from_slice(if std::mem::replace(&mut self.is_first, false) { b"\"" } else { b",\"" });
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
        if let Some((_, items)) = self.known.filter(|(known, _)| *known == name) {
            self.bytes.push(b'[');
            self.bytes.extend_from_slice(items);
            self.bytes.push(b']');
            return Ok(());
        }
        write(self.bytes, value)
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma();
        write(self.bytes, value)
    }

    fn finish(self) -> Result<(), Error> {
        self.bytes.extend_from_slice(self.end);
        Ok(())
    }
}

macro_rules! inside {
    ($($of:ident $method:ident $as:ident $($name:ident)?),*) => {$(
        impl $of for Inside<'_> {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result<(), Error> {
                self.$as($($name,)? value)
            }
            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

inside!(
    SerializeSeq serialize_element item,
    SerializeTuple serialize_element item,
    SerializeTupleStruct serialize_field item,
    SerializeTupleVariant serialize_field item,
    SerializeStruct serialize_field field name,
    SerializeStructVariant serialize_field field name
);

impl SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma();
        let begin = self.bytes.len();
        write(self.bytes, key)?;
        // No map in a record has other keys.
        if self.bytes.get(begin) == Some(&b'"') { Ok(()) } else { Err(Error::custom("a key has to be a text")) }
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.bytes.push(b':');
        write(self.bytes, value)
    }
    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written<T: Serialize + ?Sized>(value: &T) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, value).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_text_is_written_as_serde_json_writes_it() {
        let plain = "abcdefghijklmnopqrstuvwxyzäöü😀";
        let ends = |text: &str| (0..=text.len()).filter(|end| text.is_char_boundary(*end)).collect::<Vec<_>>();
        // Every byte that a text can have, at every place of a word and beside it.
        for character in (0..0x100).filter_map(char::from_u32).chain(['\u{2028}', '\u{10ffff}']) {
            for end in ends(plain) {
                for text in [format!("{}{character}", &plain[..end]), format!("{}{character}x", &plain[end..])] {
                    assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn every_shape_of_serde_is_written_as_serde_json_writes_it() {
        #[derive(Serialize)]
        enum Shape {
            Unit,
            New(u8),
            Tuple(u8, char),
            Fields { a: Option<u8>, b: () },
            Nothing {},
        }
        #[derive(Serialize)]
        struct Marker;
        #[derive(Serialize)]
        struct Pair(u8, bool);
        #[derive(Serialize)]
        struct One(f32);
        let shapes = (
            [Shape::Unit, Shape::New(1), Shape::Tuple(1, '"'), Shape::Fields { a: None, b: () }, Shape::Nothing {}],
            (Marker, Pair(1, true), One(0.1), std::collections::BTreeMap::from([("a\n", Some(1.5))])),
            (i8::MIN, i16::MIN, i32::MIN, i64::MIN, i64::MAX, 0_u8, u16::MAX, u32::MAX, u64::MAX, i128::MIN, u128::MAX),
            (f64::MIN, f64::MAX, 1e-300, 0.1, -0.0, 1e20, f64::NAN),
            json!({ "a": [null, true, -1, 1, 1.5, "x\"", { "b": {}, "c": [] }] }),
        );
        assert_eq!(written(&shapes), serde_json::to_string(&shapes).unwrap());
        assert!(write(&mut Vec::new(), &std::collections::BTreeMap::from([(1, 1)])).is_err());
    }

    #[test]
    fn a_list_that_is_written_already_stands_in_its_field() {
        #[derive(Serialize)]
        struct Outer {
            list: Vec<u8>,
            inner: Inner,
        }
        #[derive(Serialize)]
        struct Inner {
            list: Vec<u8>,
        }
        let outer = Outer { list: vec![1, 2], inner: Inner { list: vec![3] } };
        let mut bytes = Vec::new();
        write_with(&mut bytes, &outer, ("list", b"1,2")).unwrap();
        assert_eq!(bytes, serde_json::to_vec(&outer).unwrap());
    }
}
