//! JSON into our types, by the browser's own parser.
//!
//! It reads what this show's server writes, and nothing else: a value of another type than the one asked for is an
//! error without words. That makes it a third of the size of a reader for everybody, and each phone downloads it. What
//! cannot be read is told to the browser's console.

#[cfg(feature = "hydrate")]
#[path = "json/js.rs"]
mod value;
// Outside of a browser only tests read.
#[cfg(not(feature = "hydrate"))]
#[path = "json/parsed.rs"]
mod value;

#[cfg(all(test, not(feature = "hydrate")))]
mod tests;

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;

use value::{Fields, Items, Value};

/// Reads a value; `None` where the text is no JSON, or does not fit: the page and the server are not of the same make.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Option<T> {
    let read = Value::parse(text).and_then(|value| T::deserialize(value).ok());
    if read.is_none() {
        unreadable(std::any::type_name::<T>(), text);
    }
    read
}

/// Not a panic: the page goes on with what it has.
#[inline(never)]
fn unreadable(expected: &str, text: &str) {
    let begin: String = text.chars().take(100).collect();
    let words =
        ["This page cannot read what the server sent; load it again. Expected ", expected, ", got ", &begin];
    leptos::logging::warn!("{}", words.concat());
}

/// The text does not fit the type.
#[derive(Debug)]
struct Misfit;

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unexpected JSON")
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Reads numbers of one kind: JSON has but one.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            visitor.$visit(self.number().ok_or(Misfit)? as $type)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Value {
    type Error = Misfit;

    numbers! {
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_f64 visit_f64 f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_bool(self.boolean().ok_or(Misfit)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_string(self.text().ok_or(Misfit)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_string(self.text().ok_or(Misfit)?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_str(&self.text().ok_or(Misfit)?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(self.items().ok_or(Misfit)?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(self.items().ok_or(Misfit)?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_map(self.fields().ok_or(Misfit)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_map(self.fields().ok_or(Misfit)?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(self)
    }

    /// Our types say what they are; none leaves it to the text.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Misfit> {
        Err(Misfit)
    }

    forward_to_deserialize_any! { i8 i16 i128 u128 f32 char bytes byte_buf unit_struct tuple_struct }
}

impl<'de> de::SeqAccess<'de> for Items {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        self.take().map(|value| seed.deserialize(value)).transpose()
    }
}

impl<'de> de::MapAccess<'de> for Fields {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.name().map(|name| seed.deserialize(name)).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self.value().ok_or(Misfit)?)
    }
}

/// A variant is its name, or an object with its name and its content.
impl<'de> de::EnumAccess<'de> for Value {
    type Error = Misfit;
    type Variant = Variant;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Variant), Misfit> {
        let (name, content) = self.variant()?;
        Ok((seed.deserialize(name)?, Variant(content)))
    }
}

impl Value {
    #[inline(never)]
    fn variant(self) -> Result<(Self, Option<Self>), Misfit> {
        if self.is_text() {
            return Ok((self, None));
        }
        let mut fields = self.fields().ok_or(Misfit)?;
        let name = fields.name().ok_or(Misfit)?;
        Ok((name, fields.value()))
    }
}

/// The content of a variant, if it has any.
struct Variant(Option<Value>);

impl<'de> de::VariantAccess<'de> for Variant {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self.0.ok_or(Misfit)?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(self.0.ok_or(Misfit)?.items().ok_or(Misfit)?)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_map(self.0.ok_or(Misfit)?.fields().ok_or(Misfit)?)
    }
}
