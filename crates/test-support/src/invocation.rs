//! One run of `demo` and its expected result, written as a sentence.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

/// No command in these tests takes longer.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A command line to run, and the output that is expected.
pub struct Demo {
    command: Command,
    input: Vec<u8>,
    prints: Option<String>,
    says: Vec<String>,
}

impl Demo {
    pub fn new(command: Command) -> Self {
        Self { command, input: Vec::new(), prints: None, says: Vec::new() }
    }

    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    #[must_use]
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// Expects exactly this on stdout.
    #[must_use]
    pub fn prints(mut self, stdout: &str) -> Self {
        self.prints = Some(stdout.to_owned());
        self
    }

    /// Expects this on stderr; may be repeated.
    #[must_use]
    pub fn says(mut self, part: &str) -> Self {
        self.says.push(part.to_owned());
        self
    }

    /// Expects exit 0.
    #[track_caller]
    pub fn success(self) -> Said {
        self.exits(0)
    }

    /// Expects exit `code`, a single `error:` line, and nothing on stdout.
    #[track_caller]
    pub fn fails(self, code: i32) -> Said {
        let said = self.exits(code);
        let errors = said.stderr.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(errors, 1, "one error line: {said:?}");
        assert_eq!(said.stdout, "", "stdout is for results: {said:?}");
        said
    }

    /// Expects exit `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Said {
        let line = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        let mut command = assert_cmd::Command::from_std(self.command);
        let output = command.write_stdin(self.input).timeout(DEADLINE).output().unwrap();
        let said = Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        assert!(!said.stderr.contains("panicked"), "{line}: {said:?}");
        if let Some(prints) = self.prints {
            assert_eq!(said.stdout, prints, "{line}: {said:?}");
        }
        for part in self.says {
            assert!(said.stderr.contains(&part), "{line} says `{part}`: {said:?}");
        }
        said
    }
}

/// The output of a run.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// stdout without its last newline.
    pub fn text(&self) -> &str {
        self.stdout.trim_end()
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that a `hint:` line contains `part`.
    #[track_caller]
    pub fn hint(&self, part: &str) {
        let hint = self.stderr.lines().find(|line| line.starts_with("hint:"));
        assert!(hint.is_some_and(|line| line.contains(part)), "a hint with `{part}`: {self:?}");
    }
}
