//! Values as `serde_json` parses them, in the place of a browser: numbers are floating-point numbers, as there.

use serde_json::Value as Json;

/// A parsed value.
pub(super) struct Value(Json);

impl Value {
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    pub(super) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    pub(super) fn is_text(&self) -> bool {
        self.0.is_string()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.0.as_bool()
    }

    pub(super) fn number(&self) -> Option<f64> {
        self.0.as_f64()
    }

    pub(super) fn text(&self) -> Option<String> {
        self.0.as_str().map(str::to_owned)
    }

    pub(super) fn items(self) -> Option<Items> {
        match self.0 {
            Json::Array(items) => Some(Items(items.into_iter())),
            _ => None,
        }
    }

    pub(super) fn fields(self) -> Option<Fields> {
        match self.0 {
            Json::Object(fields) => Some(Fields { entries: fields.into_iter(), value: None }),
            // In JavaScript a list is an object as well; nobody asks for its fields.
            _ => None,
        }
    }
}

/// The items of a list.
pub(super) struct Items(std::vec::IntoIter<Json>);

impl Items {
    pub(super) fn take(&mut self) -> Option<Value> {
        self.0.next().map(Value)
    }
}

/// The fields of an object.
pub(super) struct Fields {
    entries: serde_json::map::IntoIter,
    value: Option<Value>,
}

impl Fields {
    /// The next name; its value is next.
    pub(super) fn name(&mut self) -> Option<Value> {
        let (name, value) = self.entries.next()?;
        self.value = Some(Value(value));
        Some(Value(Json::String(name)))
    }

    /// The value of the name that was taken last.
    pub(super) fn value(&mut self) -> Option<Value> {
        self.value.take()
    }
}
