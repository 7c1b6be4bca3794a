//! The way to become the presenter, and back.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::actions::{SignIn, SignInRequest, SignOutRequest};
use crate::browser;
use crate::erased::ErasedOnServer;
use crate::words;

/// A small link with a form behind it, for those who may sign in.
pub(in crate::show) fn sign_in() -> impl IntoView {
    let said = RwSignal::new(String::new());
    let passcode = RwSignal::new(String::new());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        spawn_local(async move {
            match browser::call(SignInRequest { passcode: passcode.get_untracked() }).await {
                Ok(SignIn::Welcome) => browser::reload(),
                Ok(refused) => said.set(refusal(refused)),
                Err(reason) => said.set(reason),
            }
        });
    };
    view! {
        <details class="sign-in">
            <summary>"Presenter"</summary>
            <form method="post" on:submit=submit>
                <label for="passcode">"Passcode"</label>
                <input id="passcode" type="password" autocomplete="current-password" required=true
                    on:input:target=move |event| passcode.set(event.target().value()) />
                <button type="submit">"Sign in"</button>
                <p role="alert">{said}</p>
            </form>
        </details>
    }
    .erased_on_server()
}

/// Ends being the presenter.
pub(super) fn leave() {
    spawn_local(async {
        if browser::call(SignOutRequest {}).await.is_ok() {
            browser::reload();
        }
    });
}

fn refusal(refused: SignIn) -> String {
    let later = |retry_in_ms: u32| match retry_in_ms {
        0 => "Try again.".to_owned(),
        retry_in_ms => format!("Try again in {}.", words::age(u64::from(retry_in_ms) + 999)),
    };
    match refused {
        SignIn::Welcome => String::new(),
        SignIn::Wrong { retry_in_ms } => format!("That is not it. {}", later(retry_in_ms)),
        SignIn::TooMany { retry_in_ms } => format!("Too many attempts. {}", later(retry_in_ms)),
        SignIn::NeedsTls => {
            "A passcode must not travel in the clear: use https, or this machine itself.".to_owned()
        }
    }
}
