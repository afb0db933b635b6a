//! `--mark[=TEXT]`: the text of a mark, with `{records}`, `{bytes}`, `{size}` and `{s}` in it.
//!
//! Refuses to look for the delimiter: which one it is, only `validate` knows.

use crate::config::{Mark, MarkPiece};

/// The text of a bare `--mark`.
pub(super) const DEFAULT: &str = "hwm: {records} record{s} ({size}) lost";

const PLACEHOLDERS: &str = "{records}, {bytes}, {size} and {s}";

/// Reads a template; `{{` and `}}` are literal braces.
pub(super) fn parse(text: &str) -> Result<Mark, String> {
    if text.is_empty() {
        return Err(format!(
            "the mark is empty; a bare --mark stands for '{DEFAULT}'"
        ));
    }
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else {
            let (piece, after) = split_placeholder(rest)?;
            push_literal(&mut pieces, &mut literal);
            pieces.push(piece);
            rest = after;
        }
    }
    literal.push_str(rest);
    push_literal(&mut pieces, &mut literal);
    Ok(Mark(pieces))
}

/// Splits a placeholder off the front of `text`, which begins with a brace.
fn split_placeholder(text: &str) -> Result<(MarkPiece, &str), String> {
    let Some(inner) = text.strip_prefix('{') else {
        return Err("a '}' without its '{'; write '}}' for a brace".into());
    };
    let (name, after) = inner
        .split_once('}')
        .ok_or("a '{' without its '}'; write '{{' for a brace")?;
    let piece = match name {
        "records" => MarkPiece::Records,
        "bytes" => MarkPiece::Bytes,
        "size" => MarkPiece::Size,
        "s" => MarkPiece::Plural,
        _ => {
            return Err(format!(
                "unknown placeholder '{{{name}}}'; there are {PLACEHOLDERS}"
            ));
        }
    };
    Ok((piece, after))
}

fn push_literal(pieces: &mut Vec<MarkPiece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(MarkPiece::Text(std::mem::take(literal)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> MarkPiece {
        MarkPiece::Text(text.into())
    }

    #[test]
    fn templates_are_cut_into_pieces() {
        use MarkPiece::{Bytes, Plural, Records, Size};
        for (template, pieces) in [
            (
                DEFAULT,
                vec![
                    text("hwm: "),
                    Records,
                    text(" record"),
                    Plural,
                    text(" ("),
                    Size,
                    text(") lost"),
                ],
            ),
            ("gap", vec![text("gap")]),
            ("{bytes}", vec![Bytes]),
            ("{records}{records}", vec![Records, Records]),
            (
                "{{\"lost\":{records}}}",
                vec![text("{\"lost\":"), Records, text("}")],
            ),
            ("{{records}}", vec![text("{records}")]),
            ("{{{bytes}}}", vec![text("{"), Bytes, text("}")]),
        ] {
            assert_eq!(parse(template), Ok(Mark(pieces)), "{template}");
        }
    }

    #[test]
    fn bad_marks_say_what_is_wrong() {
        let open = "a '{' without its '}'; write '{{' for a brace";
        let close = "a '}' without its '{'; write '}}' for a brace";
        for (template, error) in [
            (
                "",
                "the mark is empty; a bare --mark stands for 'hwm: {records} record{s} ({size}) lost'",
            ),
            ("{", open),
            ("{records", open),
            ("{{{", open),
            ("}", close),
            ("{records}}", close),
            (
                "{lines}",
                "unknown placeholder '{lines}'; there are {records}, {bytes}, {size} and {s}",
            ),
            (
                "{}",
                "unknown placeholder '{}'; there are {records}, {bytes}, {size} and {s}",
            ),
            (
                "{ size }",
                "unknown placeholder '{ size }'; there are {records}, {bytes}, {size} and {s}",
            ),
        ] {
            assert_eq!(parse(template), Err(error.into()), "{template:?}");
        }
    }

    proptest! {
        #[test]
        fn doubled_braces_give_the_text_itself(plain in "[a-z{} é]{1,20}") {
            let template = plain.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(parse(&template), Ok(Mark(vec![MarkPiece::Text(plain)])));
        }

        #[test]
        fn no_text_makes_it_panic(template in "[a-z{}]{0,20}") {
            let _ = parse(&template);
        }
    }
}
