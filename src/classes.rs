//! How much a record is worth: classes by regular expressions, the most valuable first.
//!
//! A leaf that `cli` builds, `config` carries and `core` asks. Matches bytes, without Unicode, in time
//! linear in the record; refuses to know where records begin and end.

use std::fmt;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use crate::memory;

/// The largest compiled expression, in bytes; the crate's own default.
const LARGEST: usize = 10 << 20;

/// A compiled expression is made in so many parts of that size.
const PARTS: usize = 8;

/// What the search for an expression may come to remember, in bytes; the crate's own default. A little more
/// is for the rest of the search.
const REMEMBERED: usize = 2 << 20;

/// What a record is worth, by whatever rule: the same for the same bytes, each time it is asked.
pub trait Ranking {
    /// The class of a record, given without its end: from 0, the most valuable, to [`Ranking::lowest`].
    fn of(&self, content: &[u8]) -> usize;

    /// The number of the lowest class.
    fn lowest(&self) -> usize;
}

/// See the module's header. Two are equal when their expressions are; a copy is cheap.
#[derive(Clone)]
pub struct Classes(Arc<[Regex]>);

impl Classes {
    /// The classes by these expressions.
    ///
    /// # Errors
    ///
    /// What is wrong, on one line, when one is not a regular expression, or too large.
    pub fn new<Text: AsRef<str>>(expressions: &[Text]) -> Result<Self, String> {
        // One by one rather than as a set: what makes the search for one fast, such as a word
        // that it must contain, is lost among many. Measured: with a set, half the speed or less.
        let all: Result<_, _> = expressions.iter().map(compile).collect();
        all.map(Self).map_err(on_one_line)
    }

    /// No expression: every record is in the one class, the lowest.
    pub fn none() -> Self {
        Self(Arc::new([]))
    }

    /// What searches may still take, in bytes.
    pub fn memory_to_come(&self) -> usize {
        self.0.len() * REMEMBERED * 5 / 4
    }

    /// The expressions, most valuable first.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Regex::as_str)
    }
}

/// The lowest class is that of the records that match no expression.
impl Ranking for Classes {
    /// The number of the first expression that matches.
    fn of(&self, content: &[u8]) -> usize {
        let first = self.0.iter().position(|one| one.is_match(content));
        first.unwrap_or(self.lowest())
    }

    fn lowest(&self) -> usize {
        self.0.len()
    }
}

/// An expression takes several times its size when it is compiled, and aborts where there is none: with
/// less memory, less is too large.
fn compile(expression: &impl AsRef<str>) -> Result<Regex, regex::Error> {
    let share = memory::available(LARGEST * PARTS) / PARTS;
    RegexBuilder::new(expression.as_ref())
        .unicode(false)
        .size_limit(share)
        .build()
}

/// The crate shows the place of a mistake below the expression; the last line says what it is.
fn on_one_line(error: regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) if limit < LARGEST => {
            "there is too little memory for the expression".into()
        }
        regex::Error::CompiledTooBig(_) => "the expression is too large".into(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            let what = last.strip_prefix("error: ").unwrap_or(last);
            format!("not a regular expression: {what}")
        }
    }
}

impl PartialEq for Classes {
    fn eq(&self, other: &Self) -> bool {
        self.expressions().eq(other.expressions())
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.expressions()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(expressions: &[&str]) -> Classes {
        Classes::new(expressions).expect("regular expressions")
    }

    #[test]
    fn the_first_that_matches_decides() {
        let classes = classes(&["FATAL|ERROR", "WARN", "^db:"]);
        assert_eq!(classes.lowest(), 3);
        for (record, class) in [
            ("an ERROR", 0),
            ("WARN before ERROR", 0),
            ("WARN", 1),
            ("db: WARN", 1),
            ("db: slow", 2),
            ("not db: slow", 3),
            ("", 3),
        ] {
            assert_eq!(classes.of(record.as_bytes()), class, "{record:?}");
        }
    }

    #[test]
    fn bytes_are_matched_whatever_they_are() {
        let classes = classes(&[r"^.\xff", "é", "^$", r"\bx$"]);
        assert_eq!(classes.of(b"\x80\xff"), 0);
        assert_eq!(classes.of("né".as_bytes()), 1);
        assert_eq!(classes.of(b""), 2);
        assert_eq!(classes.of(b"\xe9 x"), 3);
        assert_eq!(
            classes.of(b"\xe9x\n"),
            4,
            "the delimiter is not cut off here"
        );
    }

    #[test]
    fn without_an_expression_there_is_one_class() {
        let classes = Classes::none();
        assert_eq!((classes.lowest(), classes.of(b"anything")), (0, 0));
    }

    #[test]
    fn they_are_equal_by_their_expressions_in_order() {
        assert_eq!(classes(&["a", "b"]), classes(&["a", "b"]));
        assert_ne!(classes(&["a", "b"]), classes(&["b", "a"]));
        assert_ne!(classes(&["a"]), Classes::none());
    }

    #[test]
    fn a_mistake_is_reported_on_one_line() {
        for (expression, error) in [
            ("(", "not a regular expression: unclosed group"),
            (
                "a{2,1}",
                "not a regular expression: invalid repetition count range, the start must be <= the end",
            ),
            ("\\w{9999}{9999}", "the expression is too large"),
            ("[é]", "not a regular expression: Unicode not allowed here"),
        ] {
            assert_eq!(Classes::new(&[expression]), Err(error.into()));
        }
    }
}
