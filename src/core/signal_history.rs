//! The terminating signals of a run: which of them are the same one, and which is the second.
//!
//! Knows no clock: `now` comes in. Refuses to say what a signal asks for.

use std::time::Duration;

/// The same signal within this time is the same one still: timeout(1) sends it to its child and to the
/// child's whole group, and a shell that hangs up does the like. No person is so fast.
const TWICE: Duration = Duration::from_millis(20);

/// See the module's header. The default is that none has come.
#[derive(Debug, Default)]
pub struct SignalHistory {
    /// The last one, and when it came.
    last: Option<(i32, Duration)>,
}

/// A signal that is not the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It asks to end.
    First,
    /// It asks to end at once.
    Again,
}

impl SignalHistory {
    /// A signal came; None if it came before.
    pub fn note(&mut self, number: i32, now: Duration) -> Option<Heard> {
        let is_same = |(before, at)| before == number && now.saturating_sub(at) < TWICE;
        if self.last.is_some_and(is_same) {
            return None;
        }
        Some(match self.last.replace((number, now)) {
            None => Heard::First,
            Some(_) => Heard::Again,
        })
    }

    /// Whether any has come.
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_signal_at_once_is_one_and_any_other_is_the_second() {
        let ms = Duration::from_millis;
        let mut history = SignalHistory::default();
        assert!(history.is_empty());
        assert_eq!(history.note(15, ms(5)), Some(Heard::First));
        assert_eq!(history.note(15, ms(24)), None, "timeout(1) sends it twice");
        assert_eq!(history.note(2, ms(24)), Some(Heard::Again));
        let mut history = SignalHistory::default();
        assert_eq!(history.note(15, ms(5)), Some(Heard::First));
        assert_eq!(history.note(15, ms(25)), Some(Heard::Again));
        assert!(!history.is_empty());
    }
}
