//! pv's form: its fields, one function each, and a few of hwm's own.
//!
//! With `-n` figures are plain: no unit, no brackets, four decimals where they are measured. Nothing is
//! shortened but as pv does it: what stretches gets what is left, and the rest goes beyond the margin. Behind
//! it all stands what pv has no words for, a loss while the run goes on.

use std::time::{Duration, SystemTime};

use super::bar;
use crate::config::display::{BarStyle, Part, Piece};
use crate::core::account::Tally;
use crate::core::snapshot::Bottleneck;
use crate::report::display::amount::{Counting, describe};
use crate::report::display::gauge::gauge;
use crate::report::display::parts::{self, KEPT, Line, clipped, fit, visible};
use crate::report::display::view::{LONGEST, View, eta_text, ratio, running_loss};
use crate::report::words::{self, Unit};
use crate::sys::time_zone as zone;
use crate::units::{clock, percent};

/// From so far ahead on (seconds) a time of day needs its date.
const FAR: u64 = 6 * 3600;

/// Cells of hwm's gauge where no number is given.
const GAUGE: usize = 10;

/// Columns of a name where no number is given.
const NAME: usize = 9;

/// The line for `width` columns.
pub(crate) fn line(view: &View<'_>, width: usize) -> Line {
    let paint = view.abilities.paint;
    let tells = tells_of_loss(view);
    let loss = || running_loss(view, None, KEPT).filter(|_| tells);
    let with_loss = |width| {
        fit(
            fields(view).into_iter().chain(loss()).collect(),
            width,
            paint,
        )
    };
    let line = with_loss(width);
    if loss().is_none() || visible(&line.left) <= width {
        return line;
    }
    // As on a terminal that is so much narrower: the loss must be seen.
    let loss = "  ".to_owned() + &fit(loss().into_iter().collect(), 0, paint).left;
    let space = width.saturating_sub(visible(&loss));
    let fields = fit(fields(view), space, paint).left;
    Line::from(clipped(&fields, space) + &loss)
}

/// Whether it is for a loss to be told, and nothing tells it yet.
fn tells_of_loss(view: &View<'_>) -> bool {
    let shows = |piece: &Piece| {
        let is = |part: &Part| *part == Part::Lost;
        matches!(piece, Piece::Part { part, .. } if is(part))
    };
    !view.display.numeric && !view.display.pieces.iter().any(shows)
}

fn fields<'a>(view: &'a View<'_>) -> Vec<parts::Part<'a>> {
    let field = |piece: &'a Piece| match piece {
        Piece::Text(text) => parts::Part::text(KEPT, text),
        Piece::Part { part, width: 0 } if part.stretches() => {
            parts::Part::stretch(move |width| text(view, part, 0, width))
        }
        Piece::Part { part, width } => parts::Part::text(KEPT, text(view, part, *width, *width)),
    };
    let reset = view
        .leaves_colours_on()
        .then(|| parts::Part::text(KEPT, "\x1b[m"));
    view.display.pieces.iter().map(field).chain(reset).collect()
}

/// The text of `part`. `number` is the one typed with it, 0 for none; a part that stretches has
/// `width` columns.
pub(crate) fn text(view: &View<'_>, part: &Part, number: usize, width: usize) -> String {
    match part {
        Part::Progress => progress(view, width),
        Part::Bar(style) => drawn(view, style.unwrap_or(view.display.style), width),
        Part::Amount => amount_only(view),
        Part::Timer => timer(view),
        Part::Eta => eta(view),
        Part::FinEta => fineta(view),
        Part::Rate => rate(view, view.figures.rate, '[', ']'),
        Part::AverageRate => rate(view, view.figures.average, '(', ')'),
        Part::Bytes => bytes(view),
        Part::Ratio => ratio(view.other_side.unwrap_or(0), view.figures.transferred),
        Part::BufferPercent => buffer_percent(view),
        Part::LastWritten => last_written(view, number),
        Part::PreviousLine => previous_line(view, width),
        Part::Name => name(view, number),
        Part::Sgr(codes) => sgr(view, codes),
        Part::Buffer => buffer(view, number),
        Part::Lost => lost(view),
        Part::Bottleneck => bottleneck(view),
        Part::RateIn => in_rate(view),
        Part::RateOut => rate(view, view.own_rate(false), '[', ']'),
        Part::State => view.snapshot.state.name().to_owned(),
    }
}

impl View<'_> {
    fn counting(&self) -> Counting {
        match (self.config.records, self.display.decimal) {
            (true, _) => Counting::Records,
            (false, true) => Counting::Decimal,
            (false, false) => Counting::Binary,
        }
    }

    /// What one unit is called, and how many of them a byte has.
    fn symbol(&self) -> (&'static str, u64) {
        match (self.config.records, self.display.bits) {
            (true, _) => ("", 1),
            (false, true) => ("b", 8),
            (false, false) => ("B", 1),
        }
    }

    /// An amount a second.
    fn described_rate(&self, rate: f64) -> String {
        let (unit, factor) = self.symbol();
        describe(rate * factor as f64, self.counting(), &format!("{unit}/s"))
    }

    /// hwm's own measurement of a side; 0 where there is none yet.
    fn own_rate(&self, input: bool) -> f64 {
        let now = self.snapshot;
        let rate = match (self.unit(), input) {
            (Unit::Bytes, true) => now.in_rate,
            (Unit::Bytes, false) => now.out_rate,
            (Unit::Records, true) => now.in_record_rate,
            (Unit::Records, false) => now.out_record_rate,
        };
        rate.unwrap_or(0.0)
    }

    fn leaves_colours_on(&self) -> bool {
        let mut codes = self.display.pieces.iter().filter_map(|piece| match piece {
            Piece::Part {
                part: Part::Sgr(codes),
                ..
            } => codes.last(),
            _ => None,
        });
        self.abilities.colour && codes.next_back().is_some_and(|code| *code != 0)
    }

    fn has_bar(&self) -> bool {
        self.expected.is_some() || self.display.gauge
    }

    /// How full a bar is.
    fn share(&self) -> f64 {
        let figures = self.figures;
        match self.expected {
            Some(_) => figures.percentage,
            None if figures.highest > 0.0 => 100.0 * figures.rate / figures.highest,
            None => 0.0,
        }
    }

    /// What stands behind a bar.
    fn behind_bar(&self) -> String {
        match self.expected {
            Some(_) => format!(" {:>3}%", self.figures.percentage as u64),
            None => format!("/{}", self.described_rate(self.figures.highest)),
        }
    }
}

fn progress(view: &View<'_>, width: usize) -> String {
    let style = view.display.style;
    let behind = if view.has_bar() {
        view.behind_bar()
    } else {
        String::new()
    };
    let Some(cells) = width.checked_sub(visible(&behind) + 2) else {
        return String::new();
    };
    format!("[{}]{behind}", drawn(view, style, cells))
}

fn drawn(view: &View<'_>, style: BarStyle, cells: usize) -> String {
    let utf8 = view.abilities.utf8;
    match view.has_bar() {
        true => bar::filled(style, utf8, cells, view.share()),
        false => bar::indicator(style, utf8, cells, view.figures.percentage),
    }
}

fn amount_only(view: &View<'_>) -> String {
    if view.display.numeric {
        return format!("{:.0}", view.figures.percentage);
    }
    match view.has_bar() {
        true => view.behind_bar()[1..].to_owned(),
        false => String::new(),
    }
}

fn timer(view: &View<'_>) -> String {
    let elapsed = view.figures.elapsed.clamp(0.0, LONGEST);
    match view.display.numeric {
        true => format!("{elapsed:.4}"),
        false => clock(Duration::from_secs_f64(elapsed)),
    }
}

fn eta(view: &View<'_>) -> String {
    let text = view.seconds_left().map_or_else(String::new, eta_text);
    // At the end there is nothing left to tell, and the line keeps its width.
    if view.last {
        " ".repeat(text.len())
    } else {
        text
    }
}

fn fineta(view: &View<'_>) -> String {
    let Some(seconds) = view.seconds_left() else {
        return String::new();
    };
    let form = if seconds > FAR {
        "FIN %Y-%m-%d %H:%M:%S"
    } else {
        "FIN %H:%M:%S"
    };
    let then = time_of_day(view.now, seconds);
    then.map_or_else(String::new, |then| then.strftime(form).to_string())
}

/// None where the clock is beyond all calendars.
fn time_of_day(now: SystemTime, seconds: u64) -> Option<jiff::Zoned> {
    let then = now.checked_add(Duration::from_secs(seconds))?;
    let then = jiff::Timestamp::try_from(then).ok()?;
    Some(then.to_zoned(zone::local()))
}

fn rate(view: &View<'_>, rate: f64, open: char, close: char) -> String {
    match view.display.numeric {
        true => format!("{:.4}", rate * view.symbol().1 as f64),
        false => format!("{open}{}{close}", view.described_rate(rate)),
    }
}

fn in_rate(view: &View<'_>) -> String {
    rate(view, view.own_rate(true), '[', ']')
}

fn bytes(view: &View<'_>) -> String {
    let (unit, factor) = view.symbol();
    let amount = u128::from(view.figures.transferred) * u128::from(factor);
    match view.display.numeric {
        true => amount.to_string(),
        false => describe(amount as f64, view.counting(), unit),
    }
}

fn buffer_percent(view: &View<'_>) -> String {
    let share = view.snapshot.held.bytes as f64 * 100.0 / view.snapshot.capacity.max(1) as f64;
    format!("{{{share:>3.0}%}}")
}

fn last_written(view: &View<'_>, number: usize) -> String {
    let last = &view.snapshot.seen.last_written;
    let last = &last[last.len().saturating_sub(number)..];
    let missing = number - last.len();
    ".".repeat(missing) + &printable(last, '.')
}

fn previous_line(view: &View<'_>, width: usize) -> String {
    let line = &view.snapshot.seen.previous_line;
    let line = printable(&line[..line.len().min(width)], ' ');
    // No width of a formatter's: that has 16 bits, and panics beyond.
    let missing = width - line.len();
    line + &" ".repeat(missing)
}

fn printable(bytes: &[u8], instead: char) -> String {
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => instead,
    };
    bytes.iter().map(shown).collect()
}

fn name(view: &View<'_>, number: usize) -> String {
    let width = if number == 0 { NAME } else { number };
    words::name(view.config).map_or_else(String::new, |name| {
        let missing = width.saturating_sub(name.chars().count());
        format!("{}{name}:", " ".repeat(missing))
    })
}

fn sgr(view: &View<'_>, codes: &[u8]) -> String {
    if !view.abilities.colour || codes.is_empty() {
        return String::new();
    }
    let codes: Vec<String> = codes.iter().map(u8::to_string).collect();
    format!("\x1b[{}m", codes.join(";"))
}

fn buffer(view: &View<'_>, number: usize) -> String {
    let share = percent(
        view.snapshot.held.bytes as f64,
        view.snapshot.capacity as f64,
    );
    let cells = if number == 0 { GAUGE } else { number };
    match view.display.numeric {
        true => share.to_string(),
        false => format!("{} {share:>3}%", gauge(view.snapshot, cells)),
    }
}

fn lost(view: &View<'_>) -> String {
    let lost = view.snapshot.lost.total();
    let unit = match lost == Tally::default() {
        true => view.unit(),
        false => Unit::of_losses(view.snapshot, lost),
    };
    match (unit.number(lost), view.display.numeric) {
        (number, true) => number.to_string(),
        (0, false) => "nothing lost".to_owned(),
        (number, false) => format!("LOST {}", unit.short(number)),
    }
}

/// What held the data up for longest, over the whole run.
fn bottleneck(view: &View<'_>) -> String {
    let snapshot = view.snapshot;
    let name = snapshot.bottleneck.name();
    let waited = snapshot.held_up().as_secs_f64();
    let share = percent(waited, snapshot.elapsed.as_secs_f64());
    match snapshot.bottleneck {
        _ if view.display.numeric => name.to_owned(),
        Bottleneck::None => name.to_owned(),
        Bottleneck::RateLimit => format!("-L limit {share}%"),
        _ => format!("{name} slow {share}%"),
    }
}
