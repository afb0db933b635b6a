//! Values of options that take one behind `=` only, typed behind a blank.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::definition::command;

/// Why one of `files` is none: it was typed behind an option that takes a value behind `=` only.
pub(super) fn hint(words: &[OsString], files: &[PathBuf]) -> Option<String> {
    let options = words.iter().take_while(|word| *word != "--");
    let options: Vec<&str> = options.filter_map(|word| word.to_str()).collect();
    options.windows(2).find_map(|pair| {
        let (option, value) = (pair[0], pair[1]);
        let name = option.strip_prefix("--")?;
        let path = Path::new(value);
        let is_meant = files.iter().any(|file| file == path) && !path.exists();
        (is_meant && takes_value_behind_equals(name)).then(|| {
            format!(
                "'{value}' is no file; {option} takes a value only behind '=': {option}={value}"
            )
        })
    })
}

fn takes_value_behind_equals(name: &str) -> bool {
    let known = command();
    let mut options = known.get_arguments();
    options.any(|option| option.get_long() == Some(name) && option.is_require_equals_set())
}
