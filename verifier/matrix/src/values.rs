//! Values of a matrix file: one, or a list that expands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;

/// A value, or several that each make a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Many {
    One(String),
    Several(Vec<Spanned<Scalar>>),
}

/// Text, a number or a truth value, as text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar(pub(crate) String);

impl Many {
    /// The values with the bytes they stand in; those of the whole where there is one.
    pub(crate) fn values(this: &Spanned<Self>) -> Vec<Spanned<String>> {
        match this.get_ref() {
            Self::One(text) => vec![Spanned::new(this.span(), text.clone())],
            Self::Several(values) => {
                values.iter().map(|value| Spanned::new(value.span(), value.get_ref().0.clone())).collect()
            }
        }
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, a number, true or false")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar(value.to_owned()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ManyVisitor;

impl<'de> Visitor<'de> for ManyVisitor {
    type Value = Many;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value, or a list of values (a name with dots is quoted: \"producer.acks\" = 1)")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Many, E> {
        Ok(Many::One(value.to_owned()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Many, E> {
        Ok(Many::One(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Many, E> {
        Ok(Many::One(value.to_string()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Many, E> {
        Ok(Many::One(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Many, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element::<Spanned<Scalar>>()? {
            values.push(value);
        }
        if values.is_empty() {
            return Err(A::Error::custom("a list without values makes no cell: leave it out, or name one"));
        }
        Ok(Many::Several(values))
    }
}

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor)
    }
}
