//! `$NAME` and `${NAME...}` in the values of compose files and of `.env`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Error;
use crate::place::Place;

/// Deeper than anyone nests variables by hand, but bounded against hostile input.
const MAX_DEPTH: usize = 32;

/// Why a text cannot be interpolated. Only the name of a variable is shown, since the rest of the
/// text may be a secret.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A `$` before something else.
    #[error("a `$` is not followed by a variable; write `$$` for a plain `$`")]
    Stray,
    /// The name of a variable without a closing brace.
    #[error("`${{{0}` has no closing brace")]
    Unclosed(String),
    /// The name of a variable with an unknown operation.
    #[error("`${{{0}...}}` is not a form that Compose supports")]
    Malformed(String),
    /// The name of a variable that must be set, and what the file says about it.
    #[error("the variable {name} is required but not set{message}")]
    Missing { name: String, message: String },
    /// Defaults inside defaults, too many of them.
    #[error("the variables are nested too deeply")]
    TooDeep,
}

/// What happens to a variable that is not set and has no default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unset {
    /// It becomes empty text, as in Compose.
    Empty,
    /// It is an error.
    Refused,
}

/// Looks up the value of a variable; `None` if it is not set.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Replaces the variables in every string inside `value`; keys are not changed.
///
/// # Errors
/// [`Error::Variable`] for a variable that must be set and is not, or for syntax that Compose does
/// not know.
pub fn in_place(
    value: &mut Value,
    variables: &BTreeMap<String, String>,
    unset: Unset,
    place: &Place,
) -> Result<(), Error> {
    match value {
        Value::String(text) => {
            let lookup: &Lookup = &|name| variables.get(name).cloned();
            *text = replace_nested(text, lookup, unset, 0)
                .map_err(|problem| Error::Variable { place: place.clone(), problem })?;
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                in_place(item, variables, unset, &place.item(index))?;
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                in_place(item, variables, unset, &place.key(key))?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// Replaces the variables in `text`; one that is not set becomes empty.
///
/// # Errors
/// What is wrong with the variable or its syntax.
pub fn replace(text: &str, lookup: &Lookup) -> Result<String, Problem> {
    replace_nested(text, lookup, Unset::Empty, 0)
}

fn replace_nested(
    text: &str,
    lookup: &Lookup,
    unset: Unset,
    depth: usize,
) -> Result<String, Problem> {
    if depth > MAX_DEPTH {
        return Err(Problem::TooDeep);
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(escaped) = after.strip_prefix('$') {
            result.push('$');
            rest = escaped;
        } else if let Some(inside) = after.strip_prefix('{') {
            let end = closing_brace(inside)
                .ok_or_else(|| Problem::Unclosed(split_name(inside).0.to_owned()))?;
            let (expression, tail) = inside.split_at(end);
            result.push_str(&braced(expression, lookup, unset, depth)?);
            rest = tail.strip_prefix('}').unwrap_or(tail);
        } else {
            let (name, tail) = split_name(after);
            if name.is_empty() {
                return Err(Problem::Stray);
            }
            result.push_str(&plain(name, lookup, unset)?);
            rest = tail;
        }
    }
    result.push_str(rest);
    Ok(result)
}

/// The value of a variable that has no default.
fn plain(name: &str, lookup: &Lookup, unset: Unset) -> Result<String, Problem> {
    match (lookup(name), unset) {
        (Some(value), _) => Ok(value),
        (None, Unset::Empty) => Ok(String::new()),
        (None, Unset::Refused) => {
            Err(Problem::Missing { name: name.to_owned(), message: String::new() })
        }
    }
}

/// Evaluates the text between the braces.
fn braced(
    expression: &str,
    lookup: &Lookup,
    unset: Unset,
    depth: usize,
) -> Result<String, Problem> {
    let (name, operation) = split_name(expression);
    if name.is_empty() {
        return Err(Problem::Malformed(name.to_owned()));
    }
    if operation.is_empty() {
        return plain(name, lookup, unset);
    }
    let value = lookup(name);
    // With a colon, an empty value counts as not set.
    let (value, operation) = match operation.strip_prefix(':') {
        Some(operation) => (value.filter(|text| !text.is_empty()), operation),
        None => (value, operation),
    };
    let argument = |sign: char| operation.strip_prefix(sign);
    let nested = |text: &str| replace_nested(text, lookup, unset, depth + 1);
    if let Some(default) = argument('-') {
        value.map_or_else(|| nested(default), Ok)
    } else if let Some(alternative) = argument('+') {
        value.map_or_else(|| Ok(String::new()), |_| nested(alternative))
    } else if let Some(message) = argument('?') {
        value.map_or_else(
            || {
                let message = nested(message)?;
                let message = if message.is_empty() { message } else { format!(": {message}") };
                Err(Problem::Missing { name: name.to_owned(), message })
            },
            Ok,
        )
    } else {
        Err(Problem::Malformed(name.to_owned()))
    }
}

/// The position of the brace that closes the one before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '}' => open -= 1,
            '$' => match characters.peek() {
                Some((_, '$')) => drop(characters.next()),
                Some((_, '{')) => open += 1,
                _ => {}
            },
            _ => {}
        }
        if open == 0 {
            return Some(index);
        }
    }
    None
}

/// Splits `text` into the variable name at its start and the rest.
fn split_name(text: &str) -> (&str, &str) {
    let of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let starts = text.starts_with(|first: char| of_name(first) && !first.is_ascii_digit());
    let end = if starts { text.find(|c| !of_name(c)).unwrap_or(text.len()) } else { 0 };
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(text: &str) -> Result<String, Problem> {
        replace(text, &|name| match name {
            "SET" => Some("yes".to_owned()),
            "EMPTY" => Some(String::new()),
            "DOLLAR" => Some("$SET".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn every_form_of_compose() {
        for (text, expected) in [
            ("$SET", "yes"),
            ("${SET}", "yes"),
            ("a-$SET-b", "a-yes-b"),
            ("[$UNSET]", "[]"),
            ("[${UNSET}]", "[]"),
            ("${UNSET:-d}", "d"),
            ("${UNSET-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("[${EMPTY-d}]", "[]"),
            ("${SET:-d}", "yes"),
            ("${SET:?e}", "yes"),
            ("[${EMPTY?e}]", "[]"),
            ("${SET:+a}", "a"),
            ("${SET+a}", "a"),
            ("[${EMPTY:+a}]", "[]"),
            ("${EMPTY+a}", "a"),
            ("[${UNSET+a}]", "[]"),
            ("${UNSET:-${ALSO:-deep}}!", "deep!"),
            ("${UNSET:-${SET}}", "yes"),
            ("${UNSET:-}", ""),
            ("${UNSET:-a:b?c+d}", "a:b?c+d"),
            ("${UNSET:-$$x}", "$x"),
            ("$$SET $${SET} $$$SET", "$SET ${SET} $yes"),
            ("${DOLLAR}", "$SET"),
            ("${UNSET:-é}ü", "éü"),
        ] {
            assert_eq!(run(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_forms_are_refused() {
        for text in
            ["$", "a $ b", "$5", "${", "${SET", "${}", "${5}", "${SET!}", "${SET:}", "${ SET}"]
        {
            assert!(run(text).is_err(), "{text}");
        }
        assert_eq!(run(&"${A:-".repeat(1000)), Err(Problem::Unclosed("A".to_owned())));
        let deep = format!("{}{}", "${A:-".repeat(100), "}".repeat(100));
        assert_eq!(run(&deep), Err(Problem::TooDeep));
    }

    #[test]
    fn a_missing_variable_is_named_with_its_message() {
        for (text, message) in [
            ("${X:?set it}", "the variable X is required but not set: set it"),
            ("${X?}", "the variable X is required but not set"),
            ("${EMPTY:?now $SET}", "the variable EMPTY is required but not set: now yes"),
        ] {
            assert_eq!(run(text).map_err(|p| p.to_string()), Err(message.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn text_without_dollar_is_unchanged(text in "[^$]*") {
            prop_assert_eq!(run(&text), Ok(text));
        }

        #[test]
        fn escaped_text_round_trips(text in any::<String>()) {
            prop_assert_eq!(run(&text.replace('$', "$$")), Ok(text));
        }

        #[test]
        fn nothing_panics(text in "[$A{}:?+-]*") {
            let _ = run(&text);
        }
    }
}
