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
    let (mut next, mut marks, mut lost) = (1, 0, 0);
    // The marks since the last record.
    let mut pending = Vec::new();
    for row in rows {
        if let Some(count) = missing(row) {
            pending.push(count);
            continue;
        }
        let number = number(row);
        if number < next {
            // A portion that comes again brings its marks again, too.
            verdict.repeated += 1 + pending.drain(..).len() as u64;
            continue;
        }
        let marked = pending.iter().sum();
        (marks, lost) = (marks + pending.drain(..).len() as u64, lost + marked);
        let gap = number - next;
        assert!(gap >= marked, "{marked} marked as lost, {gap} are");
        verdict.own += gap - marked;
        verdict.own_runs += u64::from(gap > marked);
        verdict.errors += (next..number).filter(|&number| is_error(number)).count() as u64;
        next = number + 1;
    }
    assert_eq!(
        next,
        sent + 1,
        "the last record came, and nothing behind it"
    );
    account.assert_balanced();
    assert_eq!(account.count("in_records"), sent);
    // A client, or an engine, that loses records of its own may lose a mark with them.
    let (unseen, untold) = (
        account.count("marks") - marks,
        account.lost_in_all("lost_records") - lost,
    );
    assert!(unseen == 0 && untold == 0 || unseen > 0 && verdict.own_runs > 0);
    verdict.own -= untold;
    let records = rows.len() as u64 - marks - verdict.repeated;
    assert_eq!(account.count("out_records"), records + verdict.own);
    verdict
}
