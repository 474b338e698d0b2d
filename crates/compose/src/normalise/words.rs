//! A command line, written as one string or as a list.

use serde_json::Value;

use super::items;
use demo_config::Error;
use demo_config::place::Place;
use demo_config::scalar;

/// The words of a `command` or an `entrypoint`; null stays null.
pub(super) fn words(value: Value, place: &Place) -> Result<Value, Error> {
    let line = match value {
        Value::Null => return Ok(Value::Null),
        Value::String(line) => line,
        list => return self::list(list, place),
    };
    if let Some(operator) = shell_operator(&line) {
        return Err(place.invalid_with_help(
            format!("`{operator}` needs a shell, but no shell runs this command"),
            "quote it, or write the command as a list",
        ));
    }
    match shell_words::split(&line) {
        Ok(words) => Ok(words.into()),
        Err(_) => Err(place.invalid("a quote is not closed")),
    }
}

/// A list of words, each of them a string.
pub(super) fn list(value: Value, place: &Place) -> Result<Value, Error> {
    items(value, place, |word, place| Ok(scalar::string(word, place)?.into()))
}

/// The first unquoted character at which the splitter of Compose or the one used here would
/// silently end the words.
fn shell_operator(line: &str) -> Option<char> {
    let mut quote = None;
    let mut starts_word = true;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None | Some('"'), '\\') => drop(characters.next()),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ';' | '&' | '|' | '<' | '>') => return Some(character),
            (None, '#') if starts_word => return Some(character),
            _ => {}
        }
        starts_word = quote.is_none() && character.is_whitespace();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_splits_as_in_compose() {
        let place = Place::of_file("a.yml").key("command");
        for (value, expected) in [
            (json!(null), Some(json!(null))),
            (json!(""), Some(json!([]))),
            (json!("a  b"), Some(json!(["a", "b"]))),
            (json!("a 'b c' \"d e\" f\\ g"), Some(json!(["a", "b c", "d e", "f g"]))),
            (json!("sh -c 'a; b > c' x#y"), Some(json!(["sh", "-c", "a; b > c", "x#y"]))),
            (json!(["a", ""]), Some(json!(["a", ""]))),
            (json!("a 'b"), None),
            (json!("a; b"), None),
            (json!("a > b"), None),
            (json!("a # b"), None),
            (json!(["sleep", 5]), None),
            (json!(5), None),
            (json!({}), None),
        ] {
            assert_eq!(words(value.clone(), &place).ok(), expected, "{value}");
        }
    }
}
