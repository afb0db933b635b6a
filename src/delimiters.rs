//! The bytes of which each ends a record: one to three, as many as a fast search looks for at once.
//!
//! A leaf. Refuses to know what a record is.

use memchr::{
    Memchr, Memchr2, Memchr3, memchr, memchr_iter, memchr2, memchr2_iter, memchr3, memchr3_iter,
    memrchr, memrchr2, memrchr3,
};

/// See the module's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiters {
    /// This byte.
    One(u8),
    /// Each of these.
    Two(u8, u8),
    /// Each of these.
    Three(u8, u8, u8),
}

impl Delimiters {
    /// The newline.
    pub const NEWLINE: Self = Self::One(b'\n');

    /// These bytes, each counted once; None where they are none, or more than three.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut different: Vec<u8> = Vec::new();
        for byte in bytes {
            if !different.contains(byte) {
                different.push(*byte);
            }
        }
        match different[..] {
            [a] => Some(Self::One(a)),
            [a, b] => Some(Self::Two(a, b)),
            [a, b, c] => Some(Self::Three(a, b, c)),
            _ => None,
        }
    }

    /// Whether this byte is one of them.
    pub fn contains(self, byte: u8) -> bool {
        match self {
            Self::One(a) => byte == a,
            Self::Two(a, b) => byte == a || byte == b,
            Self::Three(a, b, c) => byte == a || byte == b || byte == c,
        }
    }

    /// The one that ends a record of our own: the newline if it is one of them, or else the first.
    pub fn terminator(self) -> u8 {
        match self {
            _ if self.contains(b'\n') => b'\n',
            Self::One(a) | Self::Two(a, _) | Self::Three(a, ..) => a,
        }
    }

    /// Where the first one is.
    pub fn find(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::One(a) => memchr(a, bytes),
            Self::Two(a, b) => memchr2(a, b, bytes),
            Self::Three(a, b, c) => memchr3(a, b, c, bytes),
        }
    }

    /// Where the last one is.
    pub fn rfind(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::One(a) => memrchr(a, bytes),
            Self::Two(a, b) => memrchr2(a, b, bytes),
            Self::Three(a, b, c) => memrchr3(a, b, c, bytes),
        }
    }

    /// Where each one is.
    pub fn find_iter(self, bytes: &[u8]) -> Found<'_> {
        match self {
            Self::One(a) => Found::One(memchr_iter(a, bytes)),
            Self::Two(a, b) => Found::Two(memchr2_iter(a, b, bytes)),
            Self::Three(a, b, c) => Found::Three(memchr3_iter(a, b, c, bytes)),
        }
    }

    /// How many there are.
    pub fn count(self, bytes: &[u8]) -> u64 {
        let count = match self {
            // It does not stop at each.
            Self::One(a) => memchr_iter(a, bytes).count(),
            _ => bytes.iter().filter(|byte| self.contains(**byte)).count(),
        };
        count as u64
    }
}

/// Where delimiters are, from the first to the last.
#[derive(Debug)]
pub enum Found<'a> {
    /// Of one.
    One(Memchr<'a>),
    /// Of two.
    Two(Memchr2<'a>),
    /// Of three.
    Three(Memchr3<'a>),
}

impl Iterator for Found<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::One(found) => found.next(),
            Self::Two(found) => found.next(),
            Self::Three(found) => found.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_searches_find_the_same() {
        let text = b"a\rbc\n\n\0d\r";
        for bytes in [
            &b"\n"[..],
            b"\r",
            b"\n\r",
            b"\r\n\0",
            b"x",
            b"xy",
            b"xyz",
            b"\n\n",
            b"\n\n\r\n",
        ] {
            let delimiters = Delimiters::new(bytes).unwrap();
            let expected = (0..text.len()).filter(|at| bytes.contains(&text[*at]));
            let expected: Vec<_> = expected.collect();
            let found: Vec<_> = delimiters.find_iter(text).collect();
            assert_eq!(found, expected, "{bytes:?}");
            assert_eq!(delimiters.find(text), expected.first().copied());
            assert_eq!(delimiters.rfind(text), expected.last().copied());
            assert_eq!(delimiters.count(text), expected.len() as u64);
        }
    }

    #[test]
    fn they_are_one_to_three() {
        assert_eq!(Delimiters::new(b""), None);
        assert_eq!(Delimiters::new(b"abcd"), None);
        assert_eq!(Delimiters::new(b"aab"), Some(Delimiters::Two(b'a', b'b')));
    }

    #[test]
    fn a_record_of_ours_ends_a_line_where_it_can() {
        let terminator = |bytes| Delimiters::new(bytes).unwrap().terminator();
        assert_eq!(terminator(b"\r\n"), b'\n');
        assert_eq!(terminator(b";|"), b';');
    }
}
