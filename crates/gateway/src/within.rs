//! Which call the code that runs belongs to, so that every line of the log that is written meanwhile can name it.
//!
//! A call has no line of its own for that and no span: what it costs is one store before and after each poll, whatever is logged.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use terms::CallId;

thread_local! {
    static CALL: Cell<Option<CallId>> = const { Cell::new(None) };
}

/// The call that the code around this belongs to; none outside of all.
pub fn call() -> Option<CallId> {
    CALL.try_with(Cell::get).ok().flatten()
}

/// Puts back what was there before, also where a stage panics.
struct Before(Option<CallId>);

impl Drop for Before {
    fn drop(&mut self) {
        CALL.set(self.0);
    }
}

/// Runs `future` as a part of the call `id`.
pub(crate) async fn within<F: Future>(id: CallId, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _before = Before(CALL.replace(Some(id)));
        future.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_known_within_it_and_nowhere_else() {
        let (outer, inner) = (CallId::from_bits(1), CallId::from_bits(2));
        let seen = within(outer, async {
            let first = call();
            let second = within(inner, async {
                tokio::task::yield_now().await;
                call()
            });
            let meanwhile = async { call() };
            let (second, meanwhile) = tokio::join!(second, meanwhile);
            [first, second, meanwhile]
        });
        assert_eq!(seen.await, [Some(outer), Some(inner), Some(outer)]);
        assert_eq!(call(), None);
    }
}
