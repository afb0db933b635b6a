//! `red`: random early detection (Floyd and Jacobson 1993, "Random Early Detection gateways for
//! congestion avoidance"). The more is held on average, the more arrivals are lost, before the
//! queue is full: losses are spread over time, and none comes at once in a long run.
//!
//! Names are the paper's, and a packet is a record. `q` and the thresholds are in bytes: `min_th` = L,
//! `max_th` = H.
//!
//! ```text
//!   avg  <- (1 - w_q) avg + w_q q          an arrival finds q > 0 bytes
//!   avg  <- (1 - w_q)^m avg                an arrival finds nothing; m = idle time / s
//!   p_b  <- max_p (avg - min_th) / (max_th - min_th)
//!   p_a  <- p_b / (1 - count p_b)          count: since the last early loss
//!
//!   avg < min_th: stays    min_th <= avg < max_th: lost with the chance p_a    max_th <= avg: lost
//! ```
//!
//! `s`, the typical time that a record takes to go out, is the mean over all times in which
//! something was held: their length divided by the records that went out in them.

use std::time::Duration;

use super::overflow::{OnFull, Overflow, Verdict, View};
use crate::core::account::Reason;
use crate::core::rng::Rng;
use crate::core::snapshot::State;

/// The weight of one arrival in the average, as the paper proposes: the average follows what is held
/// over some 500 records.
const W_Q: f64 = 0.002;

/// See the module's header.
pub struct Red {
    max_p: f64,
    rng: Rng,
    avg: f64,
    /// Records that stayed since the last early loss, and since the average is above `min_th`: -1
    /// below.
    count: i64,
    /// Since when nothing is held.
    q_time: Duration,
    /// Since when something is held.
    busy_since: Option<Duration>,
    /// All the time in which something was held, without the current one.
    busy: Duration,
    /// Records that stayed.
    records: u64,
}

impl Red {
    /// With the chance `max_p` (0.0 to 1.0) right below H; its choices follow from `rng`.
    pub fn new(max_p: f64, rng: Rng) -> Self {
        Self {
            max_p,
            rng,
            avg: 0.0,
            count: -1,
            q_time: Duration::ZERO,
            busy_since: None,
            busy: Duration::ZERO,
            records: 0,
        }
    }

    fn arrives(&mut self, q: u64, now: Duration) {
        if q > 0 {
            self.avg = (1.0 - W_Q) * self.avg + W_Q * q as f64;
        } else {
            let idle = now.saturating_sub(self.q_time);
            self.avg *= (1.0 - W_Q).powf(self.missed(idle));
            // The next one that finds nothing, because this one is lost, was idle from here on.
            self.q_time = now;
        }
    }

    /// m: how many records could have gone out in an idle time.
    fn missed(&self, idle: Duration) -> f64 {
        if idle.is_zero() {
            0.0
        } else if self.busy.is_zero() {
            f64::INFINITY
        } else {
            idle.as_secs_f64() * self.records as f64 / self.busy.as_secs_f64()
        }
    }

    fn is_lost(&mut self, view: &View) -> bool {
        let (min_th, max_th) = (view.low_water as f64, view.high_water as f64);
        if self.avg < min_th {
            self.count = -1;
            return false;
        }
        let is_lost = self.avg >= max_th || {
            self.count += 1;
            let p_b = self.max_p * (self.avg - min_th) / (max_th - min_th);
            let left = 1.0 - self.count as f64 * p_b;
            let p_a = if left > 0.0 { p_b / left } else { 1.0 };
            self.rng.chance(p_a)
        };
        if is_lost {
            self.count = 0;
        }
        is_lost
    }
}

impl Overflow for Red {
    fn on_full(&self) -> OnFull {
        OnFull::LoseArrival
    }

    fn judges(&self, _state: State) -> bool {
        true
    }

    fn judge(&mut self, view: &View) -> Verdict {
        self.arrives(view.found, view.now);
        if self.is_lost(view) {
            return Verdict::Lose(Reason::Early);
        }
        if view.has_place {
            self.records += 1;
            self.busy_since.get_or_insert(view.now);
        }
        Verdict::Stay
    }

    fn emptied(&mut self, now: Duration) {
        if let Some(since) = self.busy_since.take() {
            self.busy += now.saturating_sub(since);
            self.q_time = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn view(found: u64, now: Duration) -> View {
        View {
            is_lowest: false,
            now,
            length: 10,
            found,
            has_place: true,
            state: State::Flowing,
            held: found + 10,
            capacity: 1000,
            high_water: 800,
            low_water: 400,
        }
    }

    fn red() -> Red {
        Red::new(0.1, Rng::new(1))
    }

    #[test]
    fn below_the_low_mark_no_number_is_drawn() {
        let mut red = red();
        for _ in 0..10_000 {
            assert_eq!(red.judge(&view(399, SECOND)), Verdict::Stay);
        }
        assert!(red.avg > 398.9);
        assert_eq!(red.rng.next_u64(), Rng::new(1).next_u64());
    }

    #[test]
    fn idle_time_counts_as_the_records_that_could_have_gone_out() {
        let mut red = red();
        // Ten records take ten seconds: s is one second.
        for found in (0..100).step_by(10) {
            red.judge(&view(found, SECOND));
        }
        red.emptied(11 * SECOND);
        red.avg = 300.0;
        red.judge(&view(0, 16 * SECOND));
        let expected = 300.0 * 0.998_f64.powi(5);
        assert!((red.avg - expected).abs() < 1e-9, "{}", red.avg);
        // It went out at once: 11 records in ten seconds.
        red.emptied(16 * SECOND);
        red.judge(&view(0, 26 * SECOND));
        let expected = expected * 0.998_f64.powi(11);
        assert!((red.avg - expected).abs() < 1e-9, "{}", red.avg);
    }

    #[test]
    fn idle_time_is_counted_once_and_an_average_above_the_high_mark_is_no_trap() {
        let mut red = red();
        red.judge(&view(0, Duration::ZERO));
        red.emptied(SECOND);
        red.avg = 900.0;
        let lost = |red: &mut Red, at| red.judge(&view(0, at)) == Verdict::Lose(Reason::Early);
        assert!(lost(&mut red, 2 * SECOND));
        let after_one = 900.0 * 0.998;
        assert!((red.avg - after_one).abs() < 1e-9, "{}", red.avg);
        assert!(lost(&mut red, 2 * SECOND));
        assert!((red.avg - after_one).abs() < 1e-9, "the same moment");
        assert!(lost(&mut red, 3 * SECOND));
        assert!((red.avg - after_one * 0.998).abs() < 1e-9, "{}", red.avg);
        assert!(!lost(&mut red, 1_000 * SECOND));
    }

    #[test]
    fn where_records_go_out_in_no_time_idle_time_forgets_everything() {
        let mut red = red();
        red.judge(&view(0, SECOND));
        red.emptied(SECOND);
        red.avg = 900.0;
        assert_eq!(red.judge(&view(0, 2 * SECOND)), Verdict::Stay);
        assert!(red.avg == 0.0);
    }
}
