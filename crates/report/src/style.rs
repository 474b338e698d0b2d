//! Colours with a meaning; the text always says the same in words.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const NOTE: Style = AnsiColor::Yellow.on_default();
pub const HINT: Style = AnsiColor::Cyan.on_default();
pub const NAME: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();

/// `text` in `style`; the stream removes the colour where it is disabled.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
