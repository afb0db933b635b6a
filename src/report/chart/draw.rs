//! A history as a picture: an SVG of 960 by 540, with a background of its own.
//!
//! Above the rates, in the middle what was held and what was lost, below who waited for whom, all over
//! one axis of time. Its words are those of the summary. Refuses to measure text: no fonts are at hand, so
//! that what stands beside each other has space to spare. The same history gives the same bytes.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use unicode_width::UnicodeWidthStr;

use super::axis::{self, Axis};
use super::columns::{self, Column, Loss};
use super::history::{self, History};
use crate::config::ReportConfig;
use crate::core::account::Tally;
use crate::core::snapshot::Snapshot;
use crate::report::closing::Closing;
use crate::report::summary;
use crate::report::words::Unit;
use crate::units::{byte_rate, count, percent, record_rate, size};

const SIZE: (u32, u32) = (960, 540);

/// Where the axis of time begins and ends, in pixels from the left.
const LEFT: i32 = 92;
const RIGHT: i32 = 828;

/// Where the panels begin and end, from the top.
const RATES: (i32, i32) = (106, 256);
const HELD: (i32, i32) = (302, 420);
const WAITS: (i32, i32) = (464, 500);

/// How far above a panel stands what it shows.
const ABOVE: i32 = 14;

/// The space for what stands below the axis of time.
const BELOW: i32 = 26;

/// The space above the capacity, as a share of it: the numbers of what was lost stand there.
const HEADROOM: f64 = 0.25;

/// Losses that are no further apart than this share of the run are shown as one.
const APART: f64 = 0.01;

/// Those that are closer than that are told as one: no two numbers have space there.
const NUMBERS_APART: f64 = 0.06;

const FONT: FontFamily<'_> = FontFamily::Name("system-ui, DejaVu Sans, Arial, sans-serif");

/// No letter of a line of text is wider on the average, as a share of its height.
const LETTER: f64 = 0.6;

// Colours that are told apart whatever colours one sees (after Okabe and Ito): the producer's side is blue,
// the consumer's orange.
const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(31, 35, 40);
const PALE: RGBColor = RGBColor(89, 99, 110);
const GRID: RGBColor = RGBColor(229, 232, 235);
const FRAME: RGBColor = RGBColor(175, 184, 193);
const INPUT: RGBColor = RGBColor(0, 114, 178);
const OUTPUT: RGBColor = RGBColor(213, 120, 0);
const LIMIT: RGBColor = RGBColor(204, 121, 167);
const BUFFER: RGBColor = RGBColor(0, 140, 105);
const LOST: RGBColor = RGBColor(200, 30, 45);
const SHADE: RGBColor = RGBColor(250, 205, 208);
const BUSY: RGBColor = RGBColor(205, 210, 216);

type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Panel<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;
type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<io::Error>>;

/// The picture of a run that ended as `last` says.
///
/// # Errors
///
/// None that can come: the text grows in memory.
pub fn draw(history: &History, last: &Snapshot, config: &ReportConfig) -> io::Result<String> {
    let mut text = String::new();
    let in_records = config.records && last.counts_records;
    let picture = Picture {
        columns: columns::of(history, in_records),
        unit: Unit::of(in_records),
        last,
        config,
    };
    let page = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    let drawn = picture.on(&page).and_then(|()| page.present());
    drawn.map_err(|error| io::Error::other(error.to_string()))?;
    drop(page);
    Ok(text)
}

struct Picture<'a> {
    columns: Vec<Column>,
    unit: Unit,
    last: &'a Snapshot,
    config: &'a ReportConfig,
}

impl Picture<'_> {
    fn on(&self, page: &Page<'_>) -> Drawn {
        page.fill(&PAPER)?;
        self.head(page)?;
        let Some(end) = self.columns.last().map(|column| column.to) else {
            let middle = (SIZE.0 as i32 / 2, SIZE.1 as i32 / 2);
            let style = font(14, PALE, false, HPos::Center);
            return say(page, "The run was over before it began.", middle, style);
        };
        self.rates(page, end)?;
        self.held(page, end)?;
        self.waits(page, end)
    }

    /// The words of the summary.
    fn head(&self, page: &Page<'_>) -> Drawn {
        let config = ReportConfig {
            statistics: false,
            ..self.config.clone()
        };
        let lines = summary::lines(self.last, &config, &Closing::default(), summary::WIDEST);
        let mut lines = lines.iter();
        if let Some(line) = lines.next() {
            say(page, line, (24, 28), font(16, INK, true, HPos::Left))?;
        }
        match lines.next() {
            Some(lost) => {
                // The name stands above.
                let lost = lost.rfind("LOST").map_or(&**lost, |at| &lost[at..]);
                say(page, lost, (24, 54), font(14, LOST, true, HPos::Left))
            }
            None if self.last.lost.total() == Tally::default() => {
                let style = font(14, PALE, false, HPos::Left);
                say(page, "Nothing was lost.", (24, 54), style)
            }
            None => Ok(()),
        }
    }

    fn rates(&self, page: &Page<'_>, end: f64) -> Drawn {
        let shown = columns::highest_shown(&self.columns);
        let amounts = amounts(shown, 1.08, self.unit, "/s");
        let top = amounts.end;
        let names = match self.unit {
            Unit::Bytes => ["in", "out"],
            Unit::Records => ["records in", "records out"],
        };
        caption(
            page,
            RATES.0,
            "rate",
            &[(INPUT, names[0].to_owned()), (OUTPUT, names[1].to_owned())],
        )?;
        let mut panel = panel(page, RATES, end, amounts, false)?;
        let input = steps(&self.columns, top, |column| column.input);
        panel.draw_series(
            AreaSeries::new(input, 0.0, INPUT.mix(0.18)).border_style(INPUT.stroke_width(2)),
        )?;
        let output = steps(&self.columns, top, |column| column.output);
        panel.draw_series(LineSeries::new(output, OUTPUT.stroke_width(2)))?;
        match self.outstanding(shown) {
            Some(column) => self.point_out(page, end, column),
            None => Ok(()),
        }
    }

    /// The column with the highest rate, where that is cut off.
    fn outstanding(&self, shown: f64) -> Option<&Column> {
        let highest = |one: &&Column, other: &&Column| one.highest().total_cmp(&other.highest());
        let column = self.columns.iter().max_by(highest)?;
        (column.highest() > shown).then_some(column)
    }

    fn point_out(&self, page: &Page<'_>, end: f64, column: &Column) -> Drawn {
        let rate = Some(column.highest());
        let rate = match self.unit {
            Unit::Bytes => byte_rate(rate),
            Unit::Records => record_rate(rate),
        };
        let (from, to) = (across(column.from, end), across(column.to, end));
        let (anchor, x) = match to > (LEFT + RIGHT) / 2 {
            true => (HPos::Right, from - 8),
            false => (HPos::Left, to + 8),
        };
        let style = font(12, INK, false, anchor);
        say(page, &format!("up to {rate}"), (x, RATES.0 + 9), style)
    }

    fn held(&self, page: &Page<'_>, end: f64) -> Drawn {
        let losses = columns::losses(&self.columns, APART);
        let at = self.last;
        let capacity = at.capacity as f64;
        let mut legend = vec![(BUFFER, "held".to_owned())];
        if !losses.is_empty() {
            legend.push((SHADE, "lost".to_owned()));
        }
        caption(page, HELD.0, "buffer", &legend)?;
        let amounts = amounts(capacity, 1.0 + HEADROOM, Unit::Bytes, "");
        let top = amounts.end;
        let policy = format!("when full: {}", at.policy);
        let style = font(12, PALE, false, HPos::Right);
        say(page, &policy, (RIGHT, HELD.0 - ABOVE), style)?;
        let mut panel = panel(page, HELD, end, amounts, false)?;
        let least = steps(&self.columns, top, |column| column.held.0);
        panel.draw_series(AreaSeries::new(least, 0.0, BUFFER.mix(0.2)))?;
        let most = steps(&self.columns, top, |column| column.held.1);
        panel.draw_series(AreaSeries::new(most.clone(), 0.0, BUFFER.mix(0.2)))?;
        shade(page, HELD, end, &losses)?;
        self.marks(page, &panel, end)?;
        panel.draw_series(LineSeries::new(most, BUFFER.stroke_width(2)))?;
        numbers(page, end, columns::losses(&self.columns, NUMBERS_APART))
    }

    /// The capacity and both marks, named at the right.
    fn marks(&self, page: &Page<'_>, panel: &Panel<'_>, end: f64) -> Drawn {
        let at = self.last;
        let share = |mark| percent(mark as f64, at.capacity as f64);
        let marks = [
            (at.capacity, INK, format!("size {}", size(at.capacity))),
            (
                at.high_water,
                PALE,
                format!("high mark {}%", share(at.high_water)),
            ),
            (
                at.low_water,
                PALE,
                format!("low mark {}%", share(at.low_water)),
            ),
        ];
        let mut lowest = HELD.0;
        for (number, (mark, colour, name)) in (0..).zip(marks) {
            let (_, y) = panel.backend_coord(&(end, mark as f64));
            let line = [(LEFT, y), (RIGHT + 4, y)];
            page.draw(&PathElement::new(line, colour.stroke_width(1)))?;
            // Those below need space as well.
            let text = y.clamp(lowest + 1, HELD.1 - 15 * (2 - number));
            lowest = text + 14;
            let style = font(12, colour, false, HPos::Left);
            say(page, &name, (RIGHT + 8, text), style)?;
        }
        Ok(())
    }

    fn waits(&self, page: &Page<'_>, end: f64) -> Drawn {
        let at = self.last;
        let parts = [
            (OUTPUT, "waiting for the consumer"),
            (LIMIT, "held back by -L"),
            (INPUT, "waiting for input"),
            (BUSY, "moving data"),
        ];
        let mut legend = Vec::new();
        for ((colour, name), time) in parts.into_iter().zip(history::times(at)) {
            let share = percent(time.as_secs_f64(), at.elapsed.as_secs_f64());
            if share > 0 {
                legend.push((colour, format!("{name} {share}%")));
            }
        }
        caption(page, WAITS.0, "time", &legend)?;
        let shares = Axis {
            end: 1.0,
            ticks: Vec::new(),
        };
        let mut panel = panel(page, WAITS, end, shares, true)?;
        // Each from the bottom: what the next one leaves of it lies on top.
        for (number, (colour, _)) in parts.iter().enumerate().rev() {
            let sum = |column: &Column| column.shares[..=number].iter().sum();
            let outline = steps(&self.columns, 1.0, sum);
            panel.draw_series(AreaSeries::new(outline, 0.0, *colour))?;
        }
        Ok(())
    }
}

/// How much was lost, above where it was: as short as they must be to stand beside each other, and the
/// sum of neighbours where even that is too long.
fn numbers(page: &Page<'_>, end: f64, mut losses: Vec<Loss>) -> Drawn {
    while !losses.is_empty() {
        for form in [told, short, shortest] {
            let labels: Vec<Label> = losses
                .iter()
                .map(|loss| Label::of(form(loss), loss, end))
                .collect();
            if labels.windows(2).all(|two| two[0].to() <= two[1].from()) {
                return labels.iter().try_for_each(|label| {
                    let style = font(12, LOST, true, HPos::Center);
                    say(page, &label.text, (label.middle, HELD.0 + 11), style)
                });
            }
        }
        join_nearest(&mut losses);
    }
    Ok(())
}

/// Makes the two that are closest to each other one. There are two at least: one alone has space.
fn join_nearest(losses: &mut Vec<Loss>) {
    let gap = |at: &usize| losses[at + 1].from - losses[*at].to;
    let nearest =
        (0..losses.len().saturating_sub(1)).min_by(|one, other| gap(one).total_cmp(&gap(other)));
    let Some(nearest) = nearest else {
        return losses.clear();
    };
    let next = losses.remove(nearest + 1);
    losses[nearest].to = next.to;
    losses[nearest].lost += next.lost;
}

fn told(loss: &Loss) -> String {
    let (unit, number) = loss.amount();
    format!("{} lost", unit.short(number))
}

fn short(loss: &Loss) -> String {
    format!("{} lost", shortest(loss))
}

fn shortest(loss: &Loss) -> String {
    match loss.amount() {
        (Unit::Bytes, number) => size(number),
        (Unit::Records, number) => count(number),
    }
}

/// A text and where it stands, in pixels from the left.
struct Label {
    text: String,
    middle: i32,
    half: i32,
}

impl Label {
    fn of(text: String, loss: &Loss, end: f64) -> Label {
        let half = width(&text, 12) / 2 + 6;
        let middle = across((loss.from + loss.to) / 2.0, end);
        Label {
            middle: middle.clamp(LEFT + half, RIGHT - half),
            text,
            half,
        }
    }

    fn from(&self) -> i32 {
        self.middle - self.half
    }

    fn to(&self) -> i32 {
        self.middle + self.half
    }
}

/// An empty panel between the heights `from` and `to`, with an axis of time below it if that `is_last`.
fn panel<'a>(
    page: &Page<'a>,
    (from, to): (i32, i32),
    end: f64,
    amounts: Axis,
    is_last: bool,
) -> Drawn<Panel<'a>> {
    let below = if is_last { BELOW } else { 0 };
    let area = (SIZE.0, (to - from + below) as u32);
    let area = page.clone().shrink((0, from), area);
    let ticks = axis::times(end);
    let mut panel = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, below)
        .margin_right(SIZE.0 as i32 - RIGHT)
        .build_cartesian_2d(Axis { end, ticks }, amounts)?;
    panel
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FRAME)
        .x_label_style(font(12, PALE, false, HPos::Center))
        .y_label_style(font(12, PALE, false, HPos::Right))
        .draw()?;
    Ok(panel)
}

/// An axis up to `most`, and as much higher as `more` says.
fn amounts(most: f64, more: f64, unit: Unit, what: &str) -> Axis {
    if most > 0.0 {
        Axis {
            end: most * more,
            ticks: axis::amounts(most, unit, what),
        }
    } else {
        Axis {
            end: 1.0,
            ticks: vec![(0.0, "0".to_owned())],
        }
    }
}

/// The outline of a value that is the same all over a column, not above `top`. Corners that nobody sees are left out.
fn steps(columns: &[Column], top: f64, value: impl Fn(&Column) -> f64) -> Vec<(f64, f64)> {
    const ROWS: f64 = 300.0;
    let mut outline: Vec<(f64, f64)> = Vec::new();
    for column in columns {
        let value = (value(column) / top * ROWS).round().min(ROWS) / ROWS * top;
        match outline.last_mut() {
            Some(last) if last.1 == value => last.0 = column.to,
            _ => outline.extend([(column.from, value), (column.to, value)]),
        }
    }
    outline
}

/// What is lost is red from there to there, and never too narrow to be seen.
fn shade(page: &Page<'_>, (from, to): (i32, i32), end: f64, losses: &[Loss]) -> Drawn {
    for loss in losses {
        let left = across(loss.from, end).min(RIGHT - 2);
        let right = across(loss.to, end).max(left + 2);
        let corners = [(left, from), (right, to)];
        page.draw(&Rectangle::new(corners, SHADE.filled()))?;
    }
    Ok(())
}

/// What a panel shows, and its colours, above it.
fn caption(page: &Page<'_>, panel: i32, title: &str, legend: &[(RGBColor, String)]) -> Drawn {
    let y = panel - ABOVE;
    say(page, title, (LEFT - 8, y), font(13, INK, true, HPos::Right))?;
    let mut x = LEFT;
    for (colour, text) in legend {
        let swatch = [(x, y - 5), (x + 11, y + 6)];
        page.draw(&Rectangle::new(swatch, colour.filled()))?;
        say(page, text, (x + 17, y), font(12, INK, false, HPos::Left))?;
        x += 17 + width(text, 12) + 20;
    }
    Ok(())
}

/// How far to the right a time is.
fn across(time: f64, end: f64) -> i32 {
    LEFT + (time / end * f64::from(RIGHT - LEFT)).round() as i32
}

/// How wide a text is at most.
fn width(text: &str, size: u32) -> i32 {
    (text.width() as f64 * f64::from(size) * LETTER).ceil() as i32
}

/// A text, in the middle of its height.
fn say(page: &Page<'_>, text: &str, at: (i32, i32), style: TextStyle<'_>) -> Drawn {
    // Not all that a name may hold is a character in XML.
    let text = text.replace(['\u{fffe}', '\u{ffff}'], "?");
    page.draw(&Text::new(text, at, style))?;
    Ok(())
}

fn font(size: u32, colour: RGBColor, bold: bool, anchor: HPos) -> TextStyle<'static> {
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    // The backend takes the height of a line for the size of a font.
    let font = FontDesc::new(FONT, f64::from(size) * 1.24, style);
    font.color(&colour).pos(Pos::new(anchor, VPos::Center))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::account::Tally;

    #[test]
    fn the_two_losses_that_are_closest_become_one() {
        let loss = |from: f64, to: f64| Loss {
            from,
            to,
            lost: Tally {
                bytes: 10,
                records: 1,
            },
        };
        let mut losses = vec![
            loss(0.0, 1.0),
            loss(5.0, 9.0),
            loss(9.5, 10.0),
            loss(20.0, 21.0),
        ];
        join_nearest(&mut losses);
        let spans: Vec<_> = losses.iter().map(|loss| (loss.from, loss.to)).collect();
        assert_eq!(spans, [(0.0, 1.0), (5.0, 10.0), (20.0, 21.0)]);
        assert_eq!(losses[1].lost.records, 2);
    }
}
