//! Values as the browser's parser gives them.

use js_sys::{Array, JSON, Object};
use wasm_bindgen::{JsCast, JsValue};

/// A parsed value.
pub(super) struct Value(JsValue);

impl Value {
    pub(super) fn parse(text: &str) -> Option<Self> {
        JSON::parse(text).ok().map(Self)
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

    #[inline(never)]
    pub(super) fn number(&self) -> Option<f64> {
        self.0.as_f64()
    }

    #[inline(never)]
    pub(super) fn text(&self) -> Option<String> {
        self.0.as_string()
    }

    #[inline(never)]
    pub(super) fn items(self) -> Option<Items> {
        Some(Items { items: self.0.dyn_into().ok()?, next: 0 })
    }

    #[inline(never)]
    pub(super) fn fields(self) -> Option<Fields> {
        let object: Object = self.0.dyn_into().ok()?;
        Some(Fields { entries: Object::entries(&object), next: 0, value: None })
    }
}

/// The items of a list.
pub(super) struct Items {
    items: Array,
    next: u32,
}

impl Items {
    #[inline(never)]
    pub(super) fn take(&mut self) -> Option<Value> {
        let next = (self.next < self.items.length()).then(|| Value(self.items.get(self.next)));
        self.next += 1;
        next
    }
}

/// The fields of an object.
pub(super) struct Fields {
    /// Pairs of a name and a value.
    entries: Array,
    next: u32,
    value: Option<Value>,
}

impl Fields {
    /// The next name; its value is next.
    #[inline(never)]
    pub(super) fn name(&mut self) -> Option<Value> {
        if self.next >= self.entries.length() {
            return None;
        }
        let entry: Array = self.entries.get(self.next).unchecked_into();
        self.next += 1;
        self.value = Some(Value(entry.get(1)));
        Some(Value(entry.get(0)))
    }

    /// The value of the name that was taken last.
    pub(super) fn value(&mut self) -> Option<Value> {
        self.value.take()
    }
}
