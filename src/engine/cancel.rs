//! Stopping a run from outside: asked at every batch edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{self, Result};

/// A request to stop, shared by whoever asks and whoever works.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop at the next batch edge.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Asks to stop when the process gets SIGINT or SIGTERM, from the moment that this returns: a thread waits for them as
    /// long as the process lives, so this is for commands, not for libraries.
    pub fn on_signals(&self) {
        let cancel = self.clone();
        let (ready, listening) = std::sync::mpsc::channel();
        let waiting = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let (Ok(mut interrupt), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                // Nobody listening any more is the listener's affair.
                let _ = ready.send(());
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                cancel.cancel();
            });
        };
        // Without the thread the signals keep their usual meaning, and the wait ends because nobody can send any more.
        let _ = std::thread::Builder::new().name("db-sync-signals".to_owned()).spawn(waiting);
        let _ = listening.recv();
    }

    /// Fails with `SYNC_005` once somebody asked.
    ///
    /// # Errors
    /// `SYNC_005`.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(error::INTERRUPTED.into()) } else { Ok(()) }
    }
}
