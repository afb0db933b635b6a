//! Parts of a line, and how they fit into a width: for hwm's own line, for pv's form and for the summary.
//!
//! While the parts are too wide, the one of the highest rank gets shorter or goes. What is left of the width
//! goes to those that stretch. Colour says nothing that the words do not say.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The rank of what neither gets shorter nor goes.
pub const KEPT: u8 = 0;

/// One part.
pub struct Part<'a> {
    rank: u8,
    body: Body<'a>,
    /// So many blanks stand in front, where anything does.
    gap: usize,
    tone: Tone,
    /// What it is shortened to, and the rank it has then; the next step is the last.
    shorter: Vec<(u8, Body<'a>)>,
}

/// What a part shows.
enum Body<'a> {
    Text(String),
    /// A text made for what space is left.
    Stretch(Box<dyn Fn(usize) -> String + 'a>),
    /// A bar of at least so many cells, full to a share of 0 to 1, that takes what space is left. Who draws
    /// the line draws it; a line has one at most.
    Bar(usize, f64),
}

/// How a part is coloured, where there is colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    /// Of less weight.
    Quiet,
    /// To be noticed.
    Notable,
    /// To stand out.
    Alarming,
}

/// A line that fits: a text, or a text, a bar and another text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Up to the bar.
    pub left: String,
    /// Full to a share of 0 to 1.
    pub bar: Option<f64>,
    /// Behind it.
    pub right: String,
}

impl<'a> Part<'a> {
    /// A text.
    pub fn text(rank: u8, text: impl Into<String>) -> Part<'a> {
        Part::of(rank, Body::Text(text.into()))
    }

    /// A text that takes what space is left, or shares it with others; it never goes.
    pub fn stretch(text: impl Fn(usize) -> String + 'a) -> Part<'a> {
        Part::of(KEPT, Body::Stretch(Box::new(text)))
    }

    /// A bar of `cells` at least, full to `share`.
    pub fn bar(rank: u8, cells: usize, share: f64) -> Part<'a> {
        let share = share.clamp(0.0, 1.0);
        Part::of(rank, Body::Bar(cells, share)).toned(Tone::Quiet)
    }

    fn of(rank: u8, body: Body<'a>) -> Part<'a> {
        Part {
            rank,
            body,
            gap: 0,
            tone: Tone::Plain,
            shorter: Vec::new(),
        }
    }

    /// With so many blanks in front.
    pub fn apart(self, gap: usize) -> Part<'a> {
        Part { gap, ..self }
    }

    pub fn toned(self, tone: Tone) -> Part<'a> {
        Part { tone, ..self }
    }

    /// Behind all other steps, it gets shorter to this text, and has this rank then.
    pub fn or(mut self, rank: u8, text: impl Into<String>) -> Part<'a> {
        self.shorter.insert(0, (rank, Body::Text(text.into())));
        self
    }

    /// The same with a bar.
    pub fn or_bar(mut self, rank: u8, cells: usize, share: f64) -> Part<'a> {
        let share = share.clamp(0.0, 1.0);
        self.shorter.insert(0, (rank, Body::Bar(cells, share)));
        self
    }

    /// The columns that it needs, without the gap.
    fn columns(&self) -> usize {
        match &self.body {
            Body::Text(text) => visible(text),
            Body::Stretch(_) => 0,
            // And its brackets.
            Body::Bar(cells, _) => cells + 2,
        }
    }

    fn stretches(&self) -> bool {
        matches!(self.body, Body::Stretch(_))
    }

    fn painted(&self, text: &str, colour: bool) -> String {
        match self.tone.code().filter(|_| colour) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[m"),
            None => text.to_owned(),
        }
    }
}

impl Tone {
    /// The code of ECMA-48's SGR.
    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Quiet => Some("2"),
            Tone::Notable => Some("33"),
            Tone::Alarming => Some("1;31"),
        }
    }
}

/// The parts in their order, shortened or left out until they take no more than `width` columns. What never
/// goes may still be wider.
pub fn fit(mut parts: Vec<Part<'_>>, width: usize, colour: bool) -> Line {
    while columns(&parts) > width {
        let Some(least) = (0..parts.len()).max_by_key(|&index| parts[index].rank) else {
            break;
        };
        match parts[least].shorter.pop() {
            Some((rank, body)) => {
                parts[least].rank = rank;
                parts[least].body = body;
            }
            None if parts[least].rank == KEPT => break,
            None => drop(parts.remove(least)),
        }
    }
    joined(&parts, width, colour)
}

/// The columns that they need.
fn columns(parts: &[Part<'_>]) -> usize {
    let gaps: usize = parts.iter().skip(1).map(|part| part.gap).sum();
    gaps + parts.iter().map(Part::columns).sum::<usize>()
}

fn joined(parts: &[Part<'_>], width: usize, colour: bool) -> Line {
    let stretching = parts.iter().filter(|part| part.stretches()).count();
    let share = width.saturating_sub(columns(parts)) / stretching.max(1);
    let mut line = Line::default();
    for (index, part) in parts.iter().enumerate() {
        let text = match &part.body {
            Body::Text(text) => part.painted(text, colour),
            Body::Stretch(text) => part.painted(&text(share), colour),
            Body::Bar(..) => String::new(),
        };
        let gap = if index > 0 { part.gap } else { 0 };
        let side = match line.bar {
            None => &mut line.left,
            Some(_) => &mut line.right,
        };
        *side += &" ".repeat(gap);
        *side += &text;
        if let Body::Bar(_, full) = part.body {
            let code = part.tone.code().filter(|_| colour);
            line.left += &code.map_or_else(String::new, |code| format!("\x1b[{code}m"));
            line.right += code.map_or("", |_| "\x1b[m");
            line.bar = Some(full);
        }
    }
    line
}

/// The columns of a text: SGR codes take none.
pub fn visible(text: &str) -> usize {
    without_codes(text).width()
}

/// A text without its SGR codes.
pub fn without_codes(text: &str) -> Cow<'_, str> {
    if !text.contains('\x1b') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        plain += &rest[..at];
        let code = &rest[at + 2..];
        rest = code.find('m').map_or("", |end| &code[end + 1..]);
    }
    Cow::Owned(plain + rest)
}

/// The beginning of a text, of at most so many columns, with all its SGR codes.
pub fn clipped(text: &str, columns: usize) -> String {
    let mut space = columns;
    let mut line = String::new();
    let mut is_code = false;
    for character in text.chars() {
        is_code |= character == '\x1b';
        let width = if is_code {
            0
        } else {
            character.width().unwrap_or(1)
        };
        if width <= space {
            line.push(character);
            space -= width;
        } else {
            space = 0;
        }
        is_code &= character != 'm';
    }
    line
}

impl From<String> for Line {
    fn from(text: String) -> Line {
        Line {
            left: text,
            ..Line::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_highest_rank_gets_shorter_or_goes_first() {
        let parts = || {
            vec![
                Part::text(KEPT, "first"),
                Part::text(3, "second").apart(1),
                Part::text(2, "the third").apart(2).or(1, "third"),
            ]
        };
        for (width, text) in [
            (23, "first second  the third"),
            (22, "first  the third"),
            (15, "first  third"),
            (11, "first"),
            (2, "first"),
        ] {
            assert_eq!(fit(parts(), width, false).left, text);
        }
    }

    #[test]
    fn a_bar_takes_what_is_left_and_those_that_stretch_share_it() {
        let share = |cells: usize| "-".repeat(cells);
        let parts = vec![
            Part::stretch(share),
            Part::text(KEPT, "|"),
            Part::stretch(share),
        ];
        assert_eq!(fit(parts, 10, false).left, "----|----");
        let parts = || {
            vec![
                Part::text(KEPT, "left"),
                Part::bar(2, 8, 0.5).or_bar(1, 4, 0.5).apart(1),
                Part::text(KEPT, "right").apart(1),
            ]
        };
        let line = fit(parts(), 30, false);
        assert_eq!(
            (&*line.left, line.bar, &*line.right),
            ("left ", Some(0.5), " right")
        );
        let line = fit(parts(), 17, true);
        assert_eq!(
            (&*line.left, &*line.right),
            ("left \x1b[2m", "\x1b[m right")
        );
        assert_eq!(fit(parts(), 16, false).left, "left right");
    }

    #[test]
    fn a_clipped_text_keeps_its_colours() {
        let line = "a\x1b[31m日本\x1b[mb";
        assert_eq!(clipped(line, 6), line);
        assert_eq!(clipped(line, 5), "a\x1b[31m日本\x1b[m");
        assert_eq!(clipped(line, 4), "a\x1b[31m日\x1b[m");
        assert_eq!(clipped(line, 0), "\x1b[31m\x1b[m");
    }
}
