//! The account's fields, once: their keys, their values, and who shows them. JSON objects, plain lines, metrics
//! and the environment of commands are written from this table.
//!
//! Programs rely on the keys and their order. Refuses to format: how a value looks is each form's.

use std::time::Duration;

use crate::core::account::{Losses, Reason, Tally};
use crate::core::snapshot::{Bottleneck, Snapshot, State};

/// One figure of the account.
pub struct Field {
    /// The key in JSON objects and plain lines; in the environment of a command in capitals, behind `HWM_`.
    pub key: &'static str,
    /// Its value in an account.
    pub value: fn(&Snapshot) -> Value,
    /// Its name and help as a metric, if it is one.
    pub metric: Option<(&'static str, &'static str)>,
    /// Commands are told.
    pub in_environment: bool,
}

/// A value that each form writes in its own way.
pub enum Value {
    /// Bytes, records, episodes.
    Count(u64),
    /// A time.
    Time(Duration),
    /// So many a second.
    Rate(f64),
    /// Another number.
    Number(f64),
    /// A name.
    Name(&'static str),
    /// An exit status.
    Status(i32),
    /// The state.
    State(State),
    /// What holds the data up.
    Bottleneck(Bottleneck),
    /// An amount for each reason: whether it is known, and which of bytes and records.
    Lost(Losses, bool, fn(Tally) -> u64),
    /// Not known here and now.
    Unknown,
    /// Of no meaning in this run.
    Absent,
}

impl Value {
    fn or_unknown<T>(value: Option<T>, known: fn(T) -> Value) -> Value {
        value.map_or(Value::Unknown, known)
    }

    /// The amount for each reason; None where it is no such value, or not known.
    pub fn by_reason(&self) -> Option<[(Reason, u64); Reason::ALL.len()]> {
        match self {
            Value::Lost(lost, true, part) => {
                Some(Reason::ALL.map(|reason| (reason, part(lost[reason]))))
            }
            _ => None,
        }
    }

    /// In one number where the form knows no reasons.
    pub fn in_all(self) -> Value {
        match self {
            Value::Lost(lost, true, part) => Value::Count(part(lost.total())),
            Value::Lost(_, false, _) => Value::Unknown,
            other => other,
        }
    }
}

/// Not in metrics, and no command is told.
const fn field(key: &'static str, value: fn(&Snapshot) -> Value) -> Field {
    Field {
        key,
        value,
        metric: None,
        in_environment: false,
    }
}

impl Field {
    const fn metric(mut self, name: &'static str, help: &'static str) -> Field {
        self.metric = Some((name, help));
        self
    }

    const fn environment(mut self) -> Field {
        self.in_environment = true;
        self
    }

    /// The field of this key.
    pub fn of(key: &str) -> &'static Field {
        let field = FIELDS.iter().find(|field| field.key == key);
        field.expect("a key of the table")
    }
}

fn records(at: &Snapshot, tally: Tally) -> Value {
    Value::or_unknown(at.counts_records.then_some(tally.records), Value::Count)
}

/// What became of lost records, which is of no meaning without `--lost-to`.
fn dead_letters(at: &Snapshot, is_written: bool, part: fn(Tally) -> u64) -> Value {
    let letters = at.dead_letters.as_ref();
    letters.map_or(Value::Absent, |letters| match is_written {
        true => Value::Count(part(letters.written)),
        false => Value::Count(part(letters.unwritten)),
    })
}

/// In the order of the JSON objects.
pub static FIELDS: [Field; 44] = [
    field("elapsed_s", |at| Value::Time(at.elapsed))
        .metric("hwm_elapsed_seconds_total", "Time since the start.")
        .environment(),
    field("in_bytes", |at| Value::Count(at.input.bytes))
        .metric("hwm_received_bytes_total", "Bytes that came in.")
        .environment(),
    field("in_records", |at| records(at, at.input))
        .metric("hwm_received_records_total", "Records that came in.")
        .environment(),
    field("out_bytes", |at| Value::Count(at.output.bytes))
        .metric(
            "hwm_sent_bytes_total",
            "Bytes that the output accepted, without marks.",
        )
        .environment(),
    field("out_records", |at| records(at, at.output))
        .metric(
            "hwm_sent_records_total",
            "Records that the output accepted, without marks.",
        )
        .environment(),
    field("lost_bytes", |at| {
        Value::Lost(at.lost, true, |lost| lost.bytes)
    })
    .metric("hwm_lost_bytes_total", "Bytes that were lost.")
    .environment(),
    field("lost_records", |at| {
        Value::Lost(at.lost, at.counts_records, |lost| lost.records)
    })
    .metric("hwm_lost_records_total", "Records that were lost.")
    .environment(),
    field("held_bytes", |at| Value::Count(at.held.bytes))
        .metric("hwm_held_bytes", "Bytes in the buffer.")
        .environment(),
    field("held_records", |at| records(at, at.held))
        .metric("hwm_held_records", "Records in the buffer.")
        .environment(),
    field("peak_held_bytes", |at| Value::Count(at.peak_held))
        .metric(
            "hwm_peak_held_bytes",
            "The most bytes in the buffer so far.",
        )
        .environment(),
    field("capacity_bytes", |at| Value::Count(at.capacity))
        .metric(
            "hwm_capacity_bytes",
            "The most bytes that the buffer may hold.",
        )
        .environment(),
    field("high_water_bytes", |at| Value::Count(at.high_water))
        .metric("hwm_high_water_bytes", "The high-water mark.")
        .environment(),
    field("low_water_bytes", |at| Value::Count(at.low_water))
        .metric("hwm_low_water_bytes", "The low-water mark.")
        .environment(),
    field("state", |at| Value::State(at.state))
        .metric(
            "hwm_pressured",
            "1 while the state is pressured, 0 while it is flowing.",
        )
        .environment(),
    field("policy", |at| Value::Name(at.policy))
        .metric("hwm_run_info", "The run's policy.")
        .environment(),
    field("in_bytes_per_s", |at| {
        Value::or_unknown(at.in_rate, Value::Rate)
    }),
    field("out_bytes_per_s", |at| {
        Value::or_unknown(at.out_rate, Value::Rate)
    }),
    field("wait_input_s", |at| Value::Time(at.wait_input)).metric(
        "hwm_input_wait_seconds_total",
        "Time with nothing to do but to wait for input.",
    ),
    field("wait_output_s", |at| Value::Time(at.wait_output)).metric(
        "hwm_output_blocked_seconds_total",
        "Time in which there was something to write and the output took nothing.",
    ),
    field("read_paused_s", |at| Value::Time(at.read_paused)).metric(
        "hwm_read_paused_seconds_total",
        "Time in which the policy had stopped reading.",
    ),
    field("pressured_s", |at| Value::Time(at.pressured))
        .metric(
            "hwm_pressured_seconds_total",
            "Time in the pressured state.",
        )
        .environment(),
    field("pressure_episodes", |at| Value::Count(at.pressure_episodes))
        .metric(
            "hwm_pressure_episodes_total",
            "How often the state became pressured.",
        )
        .environment(),
    field("loss_episodes", |at| Value::Count(at.loss_episodes))
        .metric("hwm_loss_episodes_total", "Unbroken runs of lost records.")
        .environment(),
    field("longest_stall_s", |at| Value::Time(at.longest_stall)).metric(
        "hwm_longest_stall_seconds",
        "The longest time in which the output took nothing of what was offered.",
    ),
    field("seconds_to_full", |at| {
        Value::or_unknown(at.seconds_to_full, Value::Number)
    }),
    field("sample_rate", |at| {
        Value::or_unknown(at.sample_rate, Value::Number)
    }),
    field("bottleneck", |at| Value::Bottleneck(at.bottleneck)),
    field("exit", |at| Value::or_unknown(at.exit, Value::Status)).metric(
        "hwm_exit_status",
        "The exit status; 128 + N for an ending by signal N.",
    ),
    field("marks", |at| Value::Count(at.marks.records))
        .metric("hwm_marks_total", "Marks that were written."),
    field("mark_bytes", |at| Value::Count(at.marks.bytes))
        .metric("hwm_mark_bytes_total", "Bytes of marks that were written."),
    field("in_records_per_s", |at| {
        Value::or_unknown(at.in_record_rate, Value::Rate)
    }),
    field("out_records_per_s", |at| {
        Value::or_unknown(at.out_record_rate, Value::Rate)
    }),
    field("wait_rate_s", |at| Value::Time(at.wait_rate)).metric(
        "hwm_rate_limited_seconds_total",
        "Time in which the rate limit held the output back.",
    ),
    field("busy_s", |at| Value::Time(at.busy)).metric(
        "hwm_busy_seconds_total",
        "Time spent moving data: the rest of the elapsed time.",
    ),
    field("open_s", |at| Value::Time(at.open_for)).metric(
        "hwm_open_seconds_total",
        "Time in which a stall had given the place of block to another policy.",
    ),
    field("unread_bytes", |at| Value::Count(at.seen.unread)).metric(
        "hwm_unread_bytes",
        "Bytes that the output accepted and its reader has not taken yet.",
    ),
    field("recent_peak_held_bytes", |at| {
        Value::Count(at.recent_peak_held)
    })
    .metric(
        "hwm_recent_peak_held_bytes",
        "The most bytes in the buffer since the file was last replaced.",
    ),
    field("last_open_s", |at| {
        Value::or_unknown(at.last_open, Value::Time)
    }),
    field("spilled_records", |at| {
        dead_letters(at, true, |letters| letters.records)
    })
    .metric(
        "hwm_spilled_records_total",
        "Lost records that were written to the file of --lost-to.",
    ),
    field("spilled_bytes", |at| {
        dead_letters(at, true, |letters| letters.bytes)
    })
    .metric(
        "hwm_spilled_bytes_total",
        "Bytes of lost records that were written to the file of --lost-to.",
    ),
    field("unspilled_records", |at| {
        dead_letters(at, false, |letters| letters.records)
    })
    .metric(
        "hwm_unspilled_records_total",
        "Lost records that could not be written there.",
    ),
    field("unspilled_bytes", |at| {
        dead_letters(at, false, |letters| letters.bytes)
    })
    .metric(
        "hwm_unspilled_bytes_total",
        "Bytes of lost records that could not be written there.",
    ),
    field("restarts", |at| Value::Count(at.restarts))
        .metric(
            "hwm_restarts_total",
            "How often the command of -M was started again.",
        )
        .environment(),
    field("redelivered", |at| {
        Value::or_unknown(at.counts_records.then_some(at.redelivered), Value::Count)
    })
    .metric(
        "hwm_redelivered_records_total",
        "Records that went out again, to a consumer that followed another.",
    )
    .environment(),
];
