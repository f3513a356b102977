//! Taking connections in, at whichever listener.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a listener that fails is left alone.
const PAUSE: Duration = Duration::from_millis(20);

/// What `accept` gives next, and nothing once `stop`. Where it fails, for instance for want of descriptors, it is tried again after a pause.
pub async fn next<T, E: Display, F: Future<Output = Result<T, E>>>(stop: &CancellationToken, accept: impl Fn() -> F) -> Option<T> {
    let mut failed = false;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = accept() => accepted,
        };
        match accepted {
            Ok(accepted) => return Some(accepted),
            Err(cause) => {
                if !failed {
                    tracing::warn!(%cause, "accept failed");
                }
                failed = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_until_it_is_to_stop() {
        let (stop, tries) = (CancellationToken::new(), AtomicUsize::new(0));
        let third = || async { if tries.fetch_add(1, Ordering::SeqCst) < 2 { Err("no descriptors") } else { Ok(7) } };
        assert_eq!(next(&stop, third).await, Some(7));
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        stop.cancel();
        assert_eq!(next(&stop, std::future::pending::<Result<(), &str>>).await, None);
    }
}
