//! Every field of every type that a page reads goes through the reader and back. The values are made by the types
//! themselves: [`Filled`] answers whatever a type asks for, so a field that is added is tested as well.

use std::fmt;

use model::play::{PhoneTick, TapAnswer};
use model::wire::{Picture, Tick};
use serde::Serialize;
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::{Misfit, from_json};
use crate::actions::SignIn;
use crate::boot::{Boot, PlayerView};

/// More variants than any of our enums has.
const MOST_VARIANTS: usize = 24;

/// Answers with a value in each field: no option is empty, every list has two items, and of each enum it is the nth
/// variant.
#[derive(Clone, Copy)]
struct Filled {
    variant: usize,
}

macro_rules! numbers {
    ($($method:ident $visit:ident $value:expr),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            visitor.$visit($value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Filled {
    type Error = Misfit;

    numbers! {
        deserialize_bool visit_bool true, deserialize_u8 visit_u8 8, deserialize_u16 visit_u16 1_600,
        deserialize_u32 visit_u32 320_000, deserialize_u64 visit_u64 1_700_000_000_000,
        deserialize_i32 visit_i32 -32, deserialize_i64 visit_i64 -6_400_000_000, deserialize_f64 visit_f64 0.25,
        deserialize_str visit_str "a \"word\" ü", deserialize_string visit_str "another"
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
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
        visitor.visit_seq(Several { filled: self, left: 2 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(Several { filled: self, left: length })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_map(MapDeserializer::new([("a", self), ("b", self)].into_iter()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_map(MapDeserializer::new(fields.iter().map(|field| (*field, self))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        assert!(variants.len() <= MOST_VARIANTS, "{variants:?}");
        visitor.visit_enum(Choice { filled: self, name: variants[self.variant % variants.len()] })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Misfit> {
        panic!("a type of ours leaves it to the text what it is")
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char bytes byte_buf unit_struct tuple_struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Misfit> for Filled {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// So many items.
struct Several {
    filled: Filled,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Several {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(self.filled).map(Some)
    }
}

/// A variant of an enum.
struct Choice {
    filled: Filled,
    name: &'static str,
}

impl<'de> de::EnumAccess<'de> for Choice {
    type Error = Misfit;
    type Variant = Filled;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Filled), Misfit> {
        let name: StrDeserializer<'_, Misfit> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.filled))
    }
}

impl<'de> de::VariantAccess<'de> for Filled {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Misfit> {
        de::Deserializer::deserialize_tuple(self, length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}

/// Writes a value in which every field is filled, once with each variant of its enums, as the server writes it, and
/// reads it as the page does.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>() {
    let mut texts = std::collections::BTreeSet::new();
    for variant in 0..MOST_VARIANTS {
        let value =
            T::deserialize(Filled { variant }).unwrap_or_else(|_| panic!("{}", std::any::type_name::<T>()));
        let text = serde_json::to_string(&value).expect("JSON of a value of ours");
        assert_eq!(from_json::<T>(&text), Some(value), "{text}");
        texts.insert(text);
    }
    assert!(texts.iter().all(|text| text.len() > 2 && !text.contains("null")), "{texts:?}");
}

#[test]
fn every_field_that_a_page_reads_comes_back_as_the_server_wrote_it() {
    comes_back::<Picture>();
    comes_back::<Tick>();
    comes_back::<PhoneTick>();
    comes_back::<Boot>();
    comes_back::<PlayerView>();
    comes_back::<TapAnswer>();
    comes_back::<SignIn>();
}

#[test]
fn what_is_empty_comes_back_as_well() {
    let boot = Boot::default();
    assert_eq!(from_json(&serde_json::to_string(&boot).unwrap()), Some(boot));
    let picture = Picture::default();
    assert_eq!(from_json(&serde_json::to_string(&picture).unwrap()), Some(picture));
    assert_eq!(from_json("null"), Some(None::<u32>));
    assert_eq!(from_json("[]"), Some(Vec::<u32>::new()));
}

#[test]
fn what_does_not_fit_is_none() {
    for text in ["", "{", "true", "[1]", r#"{"a":1}"#, "\"1\""] {
        assert_eq!(from_json::<u32>(text), None, "{text}");
        assert_eq!(from_json::<SignIn>(text), None, "{text}");
    }
    assert_eq!(from_json::<Vec<u32>>(r#"[1,"2"]"#), None);
}
