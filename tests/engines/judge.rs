//! What must be true of the rows that an engine has at the end.

use crate::common::Account;
use crate::records::{is_error, missing, number};

/// What the rows say.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many records are missing that no mark tells of: what the client, or the engine, lost of its own.
    pub own: u64,
    /// In how many unbroken runs.
    pub own_runs: u64,
    /// How many rows are there again.
    pub repeated: u64,
    /// How many errors are missing.
    pub errors: u64,
    /// How often the client was started again.
    pub restarts: u64,
}

/// Fails unless the rows are whole records, in order but for those that are there again; each mark stands exactly where so many are
/// missing; and rows, marks and what is missing are `account` of a run that took in `sent` records.
#[track_caller]
pub fn judge(rows: &[String], sent: u64, account: &Account) -> Verdict {
    let mut verdict = Verdict {
        restarts: account.count("restarts"),
        ..Verdict::default()
    };
    let (mut next, mut marked, mut marks, mut lost) = (1, 0, 0, 0);
    for row in rows {
        if let Some(count) = missing(row) {
            (marked, marks, lost) = (marked + count, marks + 1, lost + count);
            continue;
        }
        let number = number(row);
        if number < next {
            verdict.repeated += 1;
            continue;
        }
        let gap = number - next;
        assert!(gap >= marked, "{marked} marked as lost, {gap} are");
        verdict.own += gap - marked;
        verdict.own_runs += u64::from(gap > marked);
        verdict.errors += (next..number).filter(|&number| is_error(number)).count() as u64;
        (next, marked) = (number + 1, 0);
    }
    assert_eq!(
        next,
        sent + 1,
        "the last record came, and nothing behind it"
    );
    account.assert_balanced();
    assert_eq!(account.count("in_records"), sent);
    assert_eq!(account.count("marks"), marks);
    assert_eq!(account.lost_in_all("lost_records"), lost);
    let records = rows.len() as u64 - marks - verdict.repeated;
    assert_eq!(account.count("out_records"), records + verdict.own);
    verdict
}
