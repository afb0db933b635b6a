//! What was last written, for people to look at: the last bytes, and the last whole record.
//!
//! Refuses to keep more than was asked for, and more than a screen line's bytes of a record: the rest of a
//! long one fits no screen.

use crate::delimiters::Delimiters;

/// The most bytes kept of a record.
const LINE: usize = 1024;

/// The tail of a stream.
#[derive(Debug)]
pub struct OutputTail {
    /// How many of the last bytes are kept.
    space: usize,
    last: Vec<u8>,
    /// The record that is being written, and the one before; None if nobody asked.
    lines: Option<Lines>,
}

#[derive(Debug)]
struct Lines {
    delimiters: Delimiters,
    current: Vec<u8>,
    previous: Vec<u8>,
}

impl OutputTail {
    /// Keeps `space` bytes, and the last record where its `delimiters` are given.
    pub fn new(space: usize, delimiters: Option<Delimiters>) -> OutputTail {
        OutputTail {
            space,
            last: Vec::with_capacity(space),
            lines: delimiters.map(|delimiters| Lines {
                delimiters,
                current: Vec::new(),
                previous: Vec::new(),
            }),
        }
    }

    /// These bytes were written next.
    pub fn wrote(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(self.space)..];
        let old = self.last.len().min(self.space - new.len());
        self.last.drain(..self.last.len() - old);
        self.last.extend_from_slice(new);
        if let Some(lines) = &mut self.lines {
            lines.wrote(bytes);
        }
    }

    /// The last bytes, at most as many as are kept.
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// The beginning of the last whole record, without its delimiter; empty without one.
    pub fn previous_line(&self) -> &[u8] {
        self.lines.as_ref().map_or(&[], |lines| &lines.previous)
    }
}

impl Lines {
    fn wrote(&mut self, bytes: &[u8]) {
        let Some(end) = self.delimiters.rfind(bytes) else {
            return self.begin(bytes);
        };
        let (whole, rest) = (&bytes[..end], &bytes[end + 1..]);
        match self.delimiters.rfind(whole) {
            // The last whole record begins and ends here.
            Some(before) => {
                self.current.clear();
                self.begin(&whole[before + 1..]);
            }
            None => self.begin(whole),
        }
        std::mem::swap(&mut self.current, &mut self.previous);
        self.current.clear();
        self.begin(rest);
    }

    fn begin(&mut self, bytes: &[u8]) {
        let space = LINE - self.current.len();
        self.current
            .extend_from_slice(&bytes[..bytes.len().min(space)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept_however_they_come() {
        let text = b"one\ntwo\n\nthree";
        for cut in 0..=text.len() {
            for again in cut..=text.len() {
                let mut tail = OutputTail::new(4, Some(Delimiters::NEWLINE));
                tail.wrote(&text[..cut]);
                tail.wrote(&text[cut..again]);
                tail.wrote(&text[again..]);
                assert_eq!(tail.last(), b"hree");
                assert_eq!(tail.previous_line(), b"");
                tail.wrote(b"\n");
                assert_eq!(tail.previous_line(), b"three");
                assert_eq!(tail.last(), b"ree\n");
            }
        }
    }

    #[test]
    fn nothing_is_kept_that_nobody_asked_for() {
        let mut tail = OutputTail::new(0, None);
        tail.wrote(b"some\nbytes");
        assert_eq!((tail.last(), tail.previous_line()), (&b""[..], &b""[..]));
    }

    #[test]
    fn of_a_long_record_the_beginning_is_kept() {
        let mut tail = OutputTail::new(1, Some(Delimiters::One(0)));
        for _ in 0..3 {
            tail.wrote(&[b'x'; 1000]);
        }
        tail.wrote(b"y\0");
        assert_eq!(tail.previous_line(), [b'x'; LINE]);
        tail.wrote(&[&[b'z'; 5000][..], b"\0"].concat());
        assert_eq!(tail.previous_line(), [b'z'; LINE]);
        tail.wrote(b"a\0b\0c");
        assert_eq!(tail.previous_line(), b"b");
    }
}
