//! A name or a number: what a field holds that points at something.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// A name, or the number of what has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameOrNumber<'a> {
    /// In quotes.
    Name(Cow<'a, str>),
    /// Without quotes.
    Number(u64),
}

impl NameOrNumber<'_> {
    /// As a name: a person means the same by 17 and "17".
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Name(name) => Cow::Borrowed(name),
            Self::Number(number) => Cow::Owned(number.to_string()),
        }
    }
}

impl Serialize for NameOrNumber<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Number(number) => serializer.serialize_u64(*number),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for NameOrNumber<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = NameOrNumber<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name, or a whole number from 0 to 2^64 - 1")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(NameOrNumber::Name(Cow::Borrowed(name)))
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(NameOrNumber::Name(Cow::Owned(name.to_owned())))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(NameOrNumber::Number(number))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(NameOrNumber::Name(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
