//! A scenario that never ends shall say which one it is: nothing inside can stop it.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// The slowest scenario on the slowest machine takes a hundredth of this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Watches one scenario until it is dropped.
pub struct Watchdog {
    _alive: Sender<()>,
}

/// Ends the process, with how to repeat `seed`, when the answer is not dropped in time.
pub fn watch(seed: u64) -> Watchdog {
    let (alive, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let how = super::how_to_repeat(seed);
            let line = format!("spin: seed {seed} does not end; repeat it by\n  {how}\n");
            // Past the capture of `cargo test`.
            let _ = std::io::stderr().write_all(line.as_bytes());
            std::process::abort();
        }
    });
    Watchdog { _alive: alive }
}
