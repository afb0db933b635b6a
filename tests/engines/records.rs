//! What goes in: numbered records of a thousand bytes, of which all is known from the number, one in ten an error.
//! A row that is torn, or two that have run into each other, are none of them.

/// With its newline, and without what an engine wants around it.
const LENGTH: usize = 1000;

/// How often an error comes.
pub const ERRORS: u64 = 10;

/// The record's text, which is also the row's.
pub fn text(number: u64) -> String {
    let level = if is_error(number) { "ERROR" } else { "DEBUG" };
    let mut text = format!("{level} {number:08} ");
    let filler = "abcdefghijklmnopqrstuvwxyz".chars().cycle();
    let filler = filler.skip(number as usize % 26);
    text.extend(filler.take(LENGTH - 1 - text.len()));
    text
}

pub fn is_error(number: u64) -> bool {
    number.is_multiple_of(ERRORS)
}

/// Which record a row is.
#[track_caller]
pub fn number(row: &str) -> u64 {
    let number = row.get(6..14).and_then(|digits| digits.parse().ok());
    match number {
        Some(number) if row == text(number) => number,
        _ => panic!("torn: {row:?}"),
    }
}

/// What hwm writes where records are missing: how many.
pub const MARK: &str = "lost {records}";

/// How many a row says are missing, if it is a mark.
pub fn missing(row: &str) -> Option<u64> {
    row.strip_prefix("lost ")?.parse().ok()
}
