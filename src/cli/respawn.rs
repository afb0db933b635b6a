//! `--respawn[=N]`: after how many failures in a row there is no other start.

/// What a bare `--respawn` stands for: there always is.
pub(super) const ALWAYS: &str = "always";

/// See the module's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Respawn {
    /// None for no such number.
    pub(super) most_failures: Option<u64>,
}

/// Reads a number of failures.
pub(super) fn parse(text: &str) -> Result<Respawn, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let most_failures = match text.parse() {
        _ if text == ALWAYS => None,
        Ok(0) => return Err("0 would never start it again; drop --respawn for that".into()),
        Ok(failures) if digits => Some(failures),
        _ => return Err("expected a whole number of failures in a row, as in 5".into()),
    };
    Ok(Respawn { most_failures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_and_above_0() {
        let most = |text| parse(text).map(|respawn| respawn.most_failures);
        assert_eq!(most(ALWAYS), Ok(None));
        assert_eq!(most("5"), Ok(Some(5)));
        let whole = Err("expected a whole number of failures in a row, as in 5".into());
        for text in ["", "-1", "+1", "1.5", "many", "18446744073709551616"] {
            assert_eq!(most(text), whole, "{text:?}");
        }
        assert!(most("0").unwrap_err().starts_with("0 would never"));
    }
}
