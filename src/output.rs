//! The only module that prints.
//!
//! Results go to stdout, as text or as JSON. Messages go to stderr, and `--quiet` suppresses them.
//! Progress is shown only on a terminal.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::{ColorWhen, GlobalArgs, OutputFormat};
use crate::explain::Diagnosis;
use demo_base::error::Result;
use demo_report::style::{self, paint};

/// Where and how the output of a command appears.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: OutputFormat,
    quiet: bool,
    verbose: bool,
    color: ColorChoice,
    progress: bool,
}

impl Output {
    /// Reads the global options.
    pub fn new(args: &GlobalArgs) -> Self {
        Self {
            format: args.output,
            quiet: args.quiet,
            verbose: args.verbose,
            color: match args.color {
                ColorWhen::Auto => ColorChoice::Auto,
                ColorWhen::Always => ColorChoice::Always,
                ColorWhen::Never => ColorChoice::Never,
            },
            progress: !args.no_progress && !args.quiet && io::stderr().is_terminal(),
        }
    }

    /// The output format that was asked for.
    pub fn format(&self) -> OutputFormat {
        self.format
    }

    /// Whether stdout is a terminal.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Prints the result of a command, as text or as JSON.
    ///
    /// # Errors
    /// When stdout cannot be written; a closed pipe is not an error.
    pub fn result<T: Serialize + Display + ?Sized>(&self, value: &T) -> Result<()> {
        if self.format == OutputFormat::Json { self.json(value) } else { self.line(value) }
    }

    /// Prints a value as JSON, whatever the format.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn json<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.line(serde_json::to_string_pretty(value)?)
    }

    /// Prints text on stdout; an empty text prints nothing.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn line(&self, text: impl Display) -> Result<()> {
        let text = text.to_string();
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = AutoStream::new(io::stdout().lock(), self.choice(&io::stdout()));
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Prints a message for the user on stderr.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.stderr(text);
        }
    }

    /// Prints a message only with `--verbose`.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.stderr(text);
        }
    }

    /// Prints an error as `error:`, `caused by:` and `hint:` lines.
    pub fn error(&self, diagnosis: &Diagnosis) {
        let first = format!("{} {}", paint(style::BAD, "error:"), diagnosis.message);
        let causes = diagnosis.causes.iter().map(|cause| format!("  caused by: {cause}"));
        let hint = diagnosis.hint.iter().map(|h| format!("{} {h}", paint(style::HINT, "hint:")));
        let text = std::iter::once(first).chain(causes).chain(hint).collect::<Vec<_>>().join("\n");
        self.stderr(text);
    }

    /// A spinner on a terminal; elsewhere a plain line of text.
    pub fn spinner(&self, text: &str) -> Spinner {
        if self.progress {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(spinner_style());
            bar.set_message(text.to_owned());
            bar.enable_steady_tick(Duration::from_millis(80));
            Spinner { bar: Some(bar) }
        } else {
            self.note(text);
            Spinner { bar: None }
        }
    }

    /// A spinner on a terminal and nothing elsewhere, for work that is usually instant.
    pub fn spinner_quiet(&self, text: &str) -> Spinner {
        if self.progress { self.spinner(text) } else { Spinner { bar: None } }
    }

    fn stderr(&self, text: impl Display) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.choice(&io::stderr()));
        // If stderr is closed there is nowhere left to report it.
        let _gone = writeln!(stderr, "{text}");
    }

    fn choice(&self, stream: &impl anstream::stream::RawStream) -> ColorChoice {
        match self.color {
            ColorChoice::Auto => AutoStream::choice(stream),
            decided => decided,
        }
    }
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "])
}

fn bytes_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {msg} {bar:24.cyan/dim} {bytes}/{total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A progress indicator, which disappears when dropped.
#[derive(Debug)]
pub struct Spinner {
    bar: Option<ProgressBar>,
}

impl Spinner {
    /// Changes the text.
    pub fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Shows progress in bytes, with the total if it is known.
    pub fn bytes(&self, done: u64, total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        if let Some(total) = total {
            if bar.length() != Some(total) {
                bar.set_style(bytes_style());
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }

    /// Prints a line above the spinner without garbling it.
    pub fn above(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl demo_base::progress::Progress for Spinner {
    fn phase(&self, text: &str) {
        self.say(text);
    }

    fn bytes(&self, done: u64, total: Option<u64>) {
        Spinner::bytes(self, done, total);
    }
}
