//! The last minute as a row of small columns, one for each part of it.

use std::time::Duration;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['_', '.', ',', '-', '~', '=', '*', '#'];

/// Draws the rate over the last `span` in `cells` columns, the last moment on the right. `points` are
/// times and amounts so far, both growing; before the first of them comes the start of the run. The
/// tallest column is the highest rate, and what lies before the start is blank.
pub fn draw(points: &[(Duration, u64)], span: Duration, cells: usize, utf8: bool) -> String {
    let levels = if utf8 { BLOCKS } else { ASCII };
    let now = points.last().map_or(0.0, |(at, _)| at.as_secs_f64());
    let step = span.as_secs_f64() / cells as f64;
    let rates: Vec<Option<f64>> = (0..cells)
        .map(|cell| {
            let end = now - step * (cells - 1 - cell) as f64;
            let begin = (end - step).max(0.0);
            (end > 0.0).then(|| (amount_at(points, end) - amount_at(points, begin)) / (end - begin))
        })
        .collect();
    let highest = rates
        .iter()
        .flatten()
        .fold(0.0, |high: f64, rate| high.max(*rate));
    let column = |rate: &Option<f64>| match rate {
        None => ' ',
        Some(rate) if highest > 0.0 => levels[((rate / highest * 7.0).round() as usize).min(7)],
        Some(_) => levels[0],
    };
    rates.iter().map(column).collect()
}

/// The amount at a time between two points, as if it had grown evenly.
fn amount_at(points: &[(Duration, u64)], time: f64) -> f64 {
    let mut before = (0.0, 0.0);
    for (at, amount) in points {
        let here = (at.as_secs_f64(), *amount as f64);
        if here.0 >= time {
            let span = here.0 - before.0;
            let share = if span > 0.0 {
                (time - before.0) / span
            } else {
                1.0
            };
            return before.1 + (here.1 - before.1) * share;
        }
        before = here;
    }
    before.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, amount: u64) -> (Duration, u64) {
        (Duration::from_secs(seconds), amount)
    }

    #[test]
    fn the_tallest_column_is_the_highest_rate() {
        let points = [
            at(10, 0),
            at(20, 100),
            at(30, 300),
            at(40, 300),
            at(60, 500),
        ];
        let draw = |utf8| super::draw(&points, Duration::from_secs(60), 6, utf8);
        assert_eq!(draw(true), "▁▅█▁▅▅");
        assert_eq!(draw(false), "_~#_~~");
    }

    #[test]
    fn before_the_start_there_is_nothing() {
        let minute = Duration::from_secs(60);
        assert_eq!(super::draw(&[at(15, 10)], minute, 6, true), "    ██");
        assert_eq!(super::draw(&[at(15, 0)], minute, 6, true), "    ▁▁");
        assert_eq!(super::draw(&[], minute, 6, true), "      ");
    }

    #[test]
    fn the_minute_moves_on() {
        let points = [at(100, 1000), at(110, 1000), at(160, 1050)];
        let drawn = super::draw(&points, Duration::from_secs(60), 6, true);
        assert_eq!(drawn, "▁█████");
    }
}
