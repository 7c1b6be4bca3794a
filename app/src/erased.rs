//! How far the type of a view reaches.

use leptos::prelude::*;

/// A view whose type ends here on the server: views nest in each other's types, and a whole page as one type is slow to
/// compile. In the browser the type stays, since erased views would make the page half as large again. The HTML is the
/// same.
pub(crate) trait ErasedOnServer: IntoView {
    /// The same view.
    fn erased_on_server(self) -> impl IntoView;
}

#[cfg(feature = "ssr")]
impl<V: IntoView> ErasedOnServer for V {
    fn erased_on_server(self) -> impl IntoView {
        self.into_any()
    }
}

#[cfg(not(feature = "ssr"))]
impl<V: IntoView> ErasedOnServer for V {
    fn erased_on_server(self) -> impl IntoView {
        self
    }
}
