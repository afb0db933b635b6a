//! Panics: one in a report is a line on stderr, and no more than that; one anywhere else ends the
//! process at once, before a wrong byte goes out.
//!
//! Knows nothing of what it guards. Refuses to guard the data path: what a relay holds after a panic
//! is not known.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

use crate::sys::report_output as output;
use crate::units::error_line;

#[cfg(not(panic = "unwind"))]
compile_error!("a panic in a report has to unwind, or it takes the relay with it");

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// What the last panic in a guarded part was, and where.
    static DEFECT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What went wrong, for people.
#[derive(Debug)]
pub struct Defect(pub String);

/// From now on panics are told by one line. For the program alone: tests have their own way.
pub fn install() {
    set_hook(Box::new(|info| {
        let defect = described(info);
        if IS_GUARDED.get() {
            DEFECT.set(Some(defect));
        } else {
            output::say_now(error_line(format!("a defect ends the run: {defect}")));
            std::process::abort();
        }
    }));
}

/// Does `work`, of the part of the report that is called `name`.
///
/// # Errors
///
/// It panicked. What it was at work on must not be used any more.
pub fn guarded<T>(name: &str, work: impl FnOnce() -> T) -> Result<T, Defect> {
    let outer = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(|| {
        fail_if_asked(name);
        work()
    }));
    IS_GUARDED.set(outer);
    result.map_err(|payload| {
        let defect = DEFECT.take();
        Defect(defect.unwrap_or_else(|| message(&*payload).to_owned()))
    })
}

/// Tests make any part fail.
fn fail_if_asked(name: &str) {
    if cfg!(debug_assertions) {
        let asked = std::env::var_os("HWM_DEFECT");
        assert!(asked.is_none_or(|asked| asked != name), "asked for");
    }
}

fn described(info: &PanicHookInfo<'_>) -> String {
    let text = message(info.payload());
    match info.location() {
        Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
        None => text.to_owned(),
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "a panic",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_what_follows_goes_on() {
        assert_eq!(guarded("test", || 1).unwrap(), 1);
        let number = 7;
        let failed = guarded("test", || assert!(number == 8, "number {number}"));
        assert_eq!(failed.unwrap_err().0, "number 7");
        let failed = guarded("test", || guarded("inner", || panic!("plain")).unwrap_or(2));
        assert_eq!(failed.unwrap(), 2);
        assert!(!IS_GUARDED.get());
    }
}
