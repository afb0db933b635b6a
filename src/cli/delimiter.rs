//! `--delimiter CHARS`: the bytes that end a record, with escapes for those that are hard to type.

use crate::config::{Mark, MarkPiece};
use crate::delimiters::Delimiters;

/// Reads one to three bytes.
pub(super) fn parse(text: &str) -> Result<Delimiters, String> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(first) = rest.next() {
        bytes.push(match first {
            '\\' => escaped(&mut rest)?,
            _ if first.is_ascii() => first as u8,
            _ => return Err(format!("'{first}' is more than one byte; \\xHH is one")),
        });
    }
    Delimiters::new(&bytes).ok_or_else(|| {
        let count = if bytes.is_empty() { "none" } else { "more" };
        format!("expected one to three characters, and there are {count}")
    })
}

/// What stands behind a backslash.
fn escaped(rest: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match rest.next() {
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let is_hex = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
            byte.ok_or_else(|| "expected two hexadecimal digits behind \\x, as in \\x1e".into())
        }
        _ => Err("behind a backslash expected n, r, t, 0, xHH or another backslash".into()),
    }
}

/// A mark goes out as one record, so it must not end one: not by its text, and by nothing that is filled in.
pub(super) fn check_mark(mark: &Mark, delimiters: Delimiters) -> Result<(), String> {
    let Mark(pieces) = mark;
    let has = |text: &str| text.bytes().any(|byte| delimiters.contains(byte));
    let ends_record = |piece: &MarkPiece| match piece {
        MarkPiece::Text(text) => has(text),
        MarkPiece::Records | MarkPiece::Bytes => has("0123456789"),
        MarkPiece::Size => has("0123456789. KMGTPEiB"),
        MarkPiece::Plural => has("s"),
    };
    if !pieces.iter().any(ends_record) {
        return Ok(());
    }
    Err(match delimiters {
        Delimiters::NEWLINE => "the text of --mark has a newline in it, but must be one record",
        _ => "the text of --mark has a delimiter in it, but must be one record: give another, as in --mark=TEXT",
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_read_with_their_escapes() {
        let read = |text| {
            parse(text).map(|delimiters| (0..=255).filter(|b| delimiters.contains(*b)).collect())
        };
        let bytes = |bytes: &[u8]| Ok::<Vec<u8>, String>(bytes.to_vec());
        assert_eq!(read("\\n"), bytes(b"\n"));
        assert_eq!(read("\\r\\n"), bytes(b"\n\r"));
        assert_eq!(read("\\t\\0;"), bytes(b"\0\t;"));
        assert_eq!(read("\\x1e\\xFF\\\\"), bytes(b"\x1e\\\xff"));
        assert_eq!(read(" "), bytes(b" "));
        assert_eq!(read(";;;;"), bytes(b";"));
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, expected) in [
            ("", "expected one to three characters, and there are none"),
            (
                "abcd",
                "expected one to three characters, and there are more",
            ),
            ("\u{e9}", "'\u{e9}' is more than one byte; \\xHH is one"),
            (
                "\\",
                "behind a backslash expected n, r, t, 0, xHH or another backslash",
            ),
            (
                "\\q",
                "behind a backslash expected n, r, t, 0, xHH or another backslash",
            ),
            (
                "\\x1",
                "expected two hexadecimal digits behind \\x, as in \\x1e",
            ),
            (
                "\\x+1",
                "expected two hexadecimal digits behind \\x, as in \\x1e",
            ),
            (
                "\\xg0",
                "expected two hexadecimal digits behind \\x, as in \\x1e",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
