//! Calls of server functions. Their types and addresses are those that the macro made; the request is the browser's own
//! `fetch`, so that a page does not carry another client and another reader of JSON.

use js_sys::{Object, Reflect};
use leptos::server_fn::ServerFn;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DomParser, RequestInit, Response, SupportedType};

use super::json::from_json;

/// Calls a server function; the error is one sentence for a person.
pub(crate) async fn call<F>(request: F) -> Result<F::Output, String>
where
    F: ServerFn + Serialize,
    F::Output: DeserializeOwned,
{
    let body = serde_json::to_string(&request).unwrap_or_default();
    let (status, answer) = post(F::PATH, body).await.ok_or_else(unanswered)?;
    if status == 200 { from_json(&answer).ok_or_else(unanswered) } else { Err(reason(status, &answer)) }
}

fn unanswered() -> String {
    "The server did not answer; try again.".to_owned()
}

/// A refusal says why, after the name of its kind; what stands between does not.
fn reason(status: u16, answer: &str) -> String {
    match answer.split_once('|') {
        Some((_, said)) if !said.is_empty() => said.to_owned(),
        _ if status == 403 => "Only the presenter may do that; sign in again.".to_owned(),
        _ => unanswered(),
    }
}

/// Gets the page again as the server renders it, and puts its body in the place of this one's; whether that went well.
pub(crate) async fn page_anew() -> Option<()> {
    let window = web_sys::window()?;
    let address = window.location().href().ok()?;
    let html = text(JsFuture::from(window.fetch_with_str(&address)).await.ok()?).await?.1;
    let parsed = DomParser::new().ok()?.parse_from_string(&html, SupportedType::TextHtml).ok()?;
    // What is parsed so runs no script.
    window.document()?.body()?.replace_with_with_node_1(&parsed.body()?.into()).ok()
}

async fn text(response: JsValue) -> Option<(u16, String)> {
    let response: Response = response.dyn_into().ok()?;
    let text = JsFuture::from(response.text().ok()?).await.ok()?;
    Some((response.status(), text.as_string()?))
}

/// The status and the text of the answer.
async fn post(path: &str, body: String) -> Option<(u16, String)> {
    let headers = Object::new();
    for name in ["content-type", "accept"] {
        Reflect::set(&headers, &name.into(), &"application/json".into()).ok()?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(&body));
    text(JsFuture::from(web_sys::window()?.fetch_with_str_and_init(path, &init)).await.ok()?).await
}
