//! The serializer of canonical forms. Invariant: what it builds is what `serde_json` would build, or it is refused.

use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use super::refused::Refused;
use super::text::text;

/// How many levels a value may nest. A record nests it six levels deeper, and `serde_json` reads 127.
pub(crate) const DEEPEST: u32 = 100;

/// The canonical form of a value.
///
/// # Errors
/// The value has none; the error says where in it.
pub(crate) fn form<T: Serialize + ?Sized>(value: &T) -> Result<Value, Refused> {
    form_at(value, 0)
}

/// A float as a number; without `arbitrary_precision` and with it, the same one.
fn float(value: f64) -> Result<Number, Refused> {
    Number::from_f64(value).ok_or_else(|| Refused::new(format!("JSON has no number {value}")))
}

/// A number of another crate's making, which may have more digits than can be read everywhere.
fn normal(number: &Number) -> Result<Number, Refused> {
    if let Some(number) = number.as_u64() {
        return Ok(number.into());
    }
    if let Some(number) = number.as_i64() {
        return Ok(number.into());
    }
    match number.as_f64() {
        Some(number) if number.is_finite() => float(number),
        _ => Err(Refused::new(format!("the number {number} is out of range"))),
    }
}

/// The form of a value inside `depth` others.
fn form_at<T: Serialize + ?Sized>(value: &T, depth: u32) -> Result<Value, Refused> {
    let mut form = value.serialize(Builder { depth })?;
    if is_unordered(std::any::type_name::<T>())
        && let Value::Array(items) = &mut form
    {
        items.sort_by_cached_key(text);
    }
    Ok(form)
}

/// Whether a type writes equal values in different orders. A name is no promise of the compiler's: where it is another one, the list keeps
/// the order that it came in.
fn is_unordered(name: &str) -> bool {
    // Nearly every type is a text or a number, and asked about for each value.
    if !name.ends_with('>') {
        return false;
    }
    let mut name = name;
    loop {
        name = name.trim_start_matches('&').trim_start_matches("mut ");
        let outer = name.split('<').next().unwrap_or_default();
        match outer.rsplit(':').next().unwrap_or_default() {
            "HashSet" => return true,
            "Arc" | "Box" | "Rc" => name = name.get(outer.len() + 1..).unwrap_or_default(),
            _ => return false,
        }
    }
}

/// `serde_json` gives numbers of any length, and JSON that is passed through, these names instead of a type.
fn is_private(name: &str) -> bool {
    name.starts_with("$serde_json::private::")
}

struct Builder {
    depth: u32,
}

impl Builder {
    /// One level deeper.
    fn deeper(&self) -> Result<u32, Refused> {
        if self.depth >= DEEPEST {
            return Err(Refused::new(format!("it nests more than {DEEPEST} levels")));
        }
        Ok(self.depth + 1)
    }

    fn list(&self, length: Option<usize>, variant: Option<&'static str>) -> Result<List, Refused> {
        let depth = self.deeper()? + u32::from(variant.is_some());
        Ok(List { items: Vec::with_capacity(length.unwrap_or_default().min(1024)), depth, variant })
    }

    fn fields(&self, variant: Option<&'static str>) -> Result<Fields, Refused> {
        let depth = self.deeper()? + u32::from(variant.is_some());
        Ok(Fields { fields: Map::new(), key: None, depth, variant, raw: None })
    }
}

fn tagged(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Object(Map::from_iter([(variant.to_owned(), value)])),
        None => value,
    }
}

impl Serializer for Builder {
    type Ok = Value;
    type Error = Refused;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    fn serialize_bool(self, value: bool) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_i8(self, value: i8) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_i128(self, value: i128) -> Result<Value, Refused> {
        let out_of_range = |_| Refused::new(format!("the number {value} is out of range"));
        if value < 0 {
            i64::try_from(value).map(Value::from).map_err(out_of_range)
        } else {
            u64::try_from(value).map(Value::from).map_err(out_of_range)
        }
    }
    fn serialize_u8(self, value: u8) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_u128(self, value: u128) -> Result<Value, Refused> {
        let out_of_range = |_| Refused::new(format!("the number {value} is out of range"));
        u64::try_from(value).map(Value::from).map_err(out_of_range)
    }
    fn serialize_f32(self, value: f32) -> Result<Value, Refused> {
        float(value.into()).map(Value::Number)
    }
    fn serialize_f64(self, value: f64) -> Result<Value, Refused> {
        float(value).map(Value::Number)
    }
    fn serialize_char(self, value: char) -> Result<Value, Refused> {
        Ok(Value::String(value.to_string()))
    }
    fn serialize_str(self, value: &str) -> Result<Value, Refused> {
        Ok(value.into())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Value, Refused> {
        self.deeper()?;
        Ok(value.into())
    }
    fn serialize_none(self) -> Result<Value, Refused> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Refused> {
        form_at(value, self.depth)
    }
    fn serialize_unit(self) -> Result<Value, Refused> {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Refused> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Refused> {
        Ok(variant.into())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, Refused> {
        form_at(value, self.depth)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Refused> {
        let value = form_at(value, self.deeper()?).map_err(|refused| refused.under(variant))?;
        Ok(tagged(Some(variant), value))
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<List, Refused> {
        self.list(length, None)
    }
    fn serialize_tuple(self, length: usize) -> Result<List, Refused> {
        self.list(Some(length), None)
    }
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List, Refused> {
        self.list(Some(length), None)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<List, Refused> {
        self.list(Some(length), Some(variant))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Fields, Refused> {
        self.fields(None)
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Refused> {
        if is_private(name) {
            return Ok(Fields {
                fields: Map::new(),
                key: None,
                depth: self.depth,
                variant: None,
                raw: Some(Value::Null),
            });
        }
        self.fields(None)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, Refused> {
        self.fields(Some(variant))
    }
}

struct List {
    items: Vec<Value>,
    depth: u32,
    variant: Option<&'static str>,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let item = form_at(value, self.depth).map_err(|refused| refused.under(self.items.len().to_string()))?;
        self.items.push(item);
        Ok(())
    }

    fn finish(self) -> Result<Value, Refused> {
        Ok(tagged(self.variant, Value::Array(self.items)))
    }
}

macro_rules! list {
    ($($of:ident $element:ident),*) => {$(
        impl $of for List {
            type Ok = Value;
            type Error = Refused;
            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.push(value)
            }
            fn end(self) -> Result<Value, Refused> {
                self.finish()
            }
        }
    )*};
}

list!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

struct Fields {
    fields: Map<String, Value>,
    key: Option<String>,
    depth: u32,
    variant: Option<&'static str>,
    /// What `serde_json` itself has written already.
    raw: Option<Value>,
}

impl Fields {
    fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Refused> {
        if let Some(raw) = &mut self.raw {
            *raw = reread(&form_at(value, self.depth)?, self.depth)?;
            return Ok(());
        }
        let value = form_at(value, self.depth).map_err(|refused| refused.under(name))?;
        self.fields.insert(name.to_owned(), value);
        Ok(())
    }

    fn finish(self) -> Result<Value, Refused> {
        Ok(self.raw.unwrap_or_else(|| tagged(self.variant, Value::Object(self.fields))))
    }
}

/// The form of JSON that is given as text.
fn reread(json: &Value, depth: u32) -> Result<Value, Refused> {
    let json = json.as_str().ok_or_else(|| Refused::new("a number or raw JSON is not given as text"))?;
    match serde_json::from_str(json).map_err(|error| Refused::new(error.to_string()))? {
        Value::Number(number) => normal(&number).map(Value::Number),
        value => form_at(&value, depth),
    }
}

impl SerializeMap for Fields {
    type Ok = Value;
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key = Some(match form_at(key, self.depth)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(is_so) => is_so.to_string(),
            Value::Null => return Err(Refused::new("a key is nothing, and has to be a text")),
            Value::Array(_) | Value::Object(_) => {
                return Err(Refused::new("a key is a list or a map, and has to be a text"));
            }
        });
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let key = self.key.take().ok_or_else(|| ser::Error::custom("a value without a key"))?;
        self.put(&key, value)
    }
    fn end(self) -> Result<Value, Refused> {
        self.finish()
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Refused;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        self.put(name, value)
    }
    fn end(self) -> Result<Value, Refused> {
        self.finish()
    }
}

impl SerializeStructVariant for Fields {
    type Ok = Value;
    type Error = Refused;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        self.put(name, value)
    }
    fn end(self) -> Result<Value, Refused> {
        self.finish()
    }
}
