//! The allocator, and how the memory of a crowd goes back to the system when the crowd has gone.
#![expect(unsafe_code, reason = "mimalloc is a C library")]

use std::cell::Cell;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;

/// Most of a crowd's memory the system's allocator would keep.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A thread looks through its memory at most so often: it takes about a millisecond.
const PAUSE: Duration = Duration::from_secs(10);

/// Gives back what this thread allocated and others have freed. By itself a thread notices that only when it allocates again, and much of a
/// crowd's memory belongs to threads that have no reason to.
pub(crate) fn give_back() {
    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let now = Instant::now();
    LAST.with(|last| {
        if last.get().is_none_or(|last| now.duration_since(last) >= PAUSE) {
            last.set(Some(now));
            // SAFETY: it may be called at any time, by any thread.
            unsafe { libmimalloc_sys::mi_collect(true) };
        }
    });
}
