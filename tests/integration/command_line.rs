//! Help, completions, streams and folders: what holds for every command.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use demo::cli::App;

use demo_test_support::{Demo, Project, tool_stdout};

/// The words of every command, the inner ones included.
fn commands(command: &clap::Command, words: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![words.to_vec()];
    for inner in command.get_subcommands() {
        let words = [words, &[inner.get_name().to_owned()]].concat();
        all.extend(commands(inner, &words));
    }
    all
}

#[test]
fn every_command_explains_itself() {
    let project = Project::without_server();
    let all = commands(&App::command(), &[]);
    assert!(all.len() > 25, "{all:?}");
    for words in all {
        for flag in ["--help", "-h"] {
            let said = project.demo([]).args(&words).args([flag]).success();
            assert!(said.stdout.contains("Usage: demo"), "{words:?}: {said:?}");
            assert!(said.stdout.lines().count() > 5, "{words:?}: {said:?}");
            assert_eq!(said.stderr, "", "{words:?}");
        }
    }
    assert!(project.demo(["--help"]).success().stdout.contains("Examples:"));
    let version = project.demo(["--version"]).success();
    assert_eq!(version.text(), format!("demo {}", env!("CARGO_PKG_VERSION")));
    project.demo([]).exits(2);
    project.demo(["token"]).exits(2);
}

#[test]
fn shells_get_completions_that_they_can_read() {
    let project = Project::without_server();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project.demo(["completions", shell]).success().stdout;
        assert!(script.contains("auth-check") && script.contains("namespace"), "{shell}");
    }
    let script = project.demo(["completions", "bash"]).success().stdout;
    project.write("demo.bash", script);
    tool_stdout("bash", &["-n", "demo.bash"], project.path());
    project.demo(["completions", "tcsh"]).says("tcsh").fails(2);
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let project = Project::without_server();
    project.demo(["setup"]).success();
    // `head` and its kind: gone after a line, or before the first.
    let script = r#"set -u
        for words in "--help" "smoke --help" "completions bash" "keys show" "certs show" \
            "up --dry-run -o json" "token mint"; do
            { "$1" $words; echo "$words: $?" >>codes; } | head -n 1 >/dev/null
            { "$1" $words; echo "$words: $?" >>codes; } | true
        done 2>said
        cat said"#;
    let demo = env!("CARGO_BIN_EXE_demo");
    let said = tool_stdout("sh", &["-c", script, "sh", demo], project.path());
    assert_eq!(said, "");
    let codes = project.read("codes");
    for line in codes.lines() {
        // 141: the signal itself, which is as quiet.
        assert!(line.ends_with(": 0") || line.ends_with(": 141"), "{codes}");
    }
}

#[test]
fn stdout_has_the_result_alone() {
    let project = Project::up(&[]);
    project.demo(["init", "-q"]).prints("").success();
    let said = project.demo(["insert", "--label", "x", "-q"]).prints("1\n").success();
    assert_eq!(said.stderr, "");
    let said = project.demo(["-q", "count"]).prints("1\n").success();
    assert_eq!(said.stderr, "");
    for words in [&["-q", "up"][..], &["-q", "restart"], &["-q", "read"], &["-q", "status"]] {
        assert_eq!(project.demo(words.iter().copied()).success().stderr, "", "{words:?}");
    }
    let json = project.demo(["up", "-o", "json"]).success().json();
    assert_eq!(json["services"].as_array().unwrap().len(), 2);
    let said = project.demo(["-q", "count", "--token", "x"]).fails(4);
    assert!(said.stderr.starts_with("error:"), "errors are not silenced: {said:?}");

    let big = "x".repeat(1 << 20);
    project.demo(["insert", "--label", "-"]).stdin(big).success();
    let script = r#"{ "$1" read; echo "$?" >code; } 2>said | head -n 1; cat said code"#;
    let demo = env!("CARGO_BIN_EXE_demo");
    let mut shell = std::process::Command::new("sh");
    project.furnish(&mut shell);
    shell.args(["-c", script, "sh", demo]);
    Demo::new(shell).prints("[\n0\n").success();
}

#[test]
fn colour_comes_when_it_is_wanted() {
    let project = Project::without_server();
    let escape = '\u{1b}';
    let failing = || project.demo(["count"]);
    assert!(!failing().fails(5).stderr.contains(escape), "no terminal, no colour");
    let asked = failing().args(["--color", "always"]).exits(5);
    assert!(asked.stderr.contains(escape), "{asked:?}");
    let never = failing().args(["--color", "never"]).env("CLICOLOR_FORCE", "1").fails(5);
    assert!(!never.stderr.contains(escape), "{never:?}");
    for (command, coloured) in [("NO_COLOR=1", false), ("UNUSED=1", true)] {
        // A terminal of the kind that has colours.
        let line = format!("TERM=xterm-256color {command} {} count", env!("CARGO_BIN_EXE_demo"));
        let mut shell = std::process::Command::new("sh");
        project.furnish(&mut shell);
        shell.args(["-c", &line]);
        let mut session = rexpect::session::spawn_command(shell, Some(20_000)).unwrap();
        let seen = session.exp_eof().unwrap();
        assert!(seen.contains("error:"), "{seen}");
        assert_eq!(seen.contains(escape), coloured, "{command}: {seen:?}");
    }
}

#[test]
fn outside_a_project_setup_writes_one() {
    // Not under the target folder, above which there is this very project.
    let folder = tempfile::tempdir().unwrap();
    let command = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_demo"));
        command.current_dir(folder.path()).args(words);
        for name in demo::env_vars::ALL {
            command.env_remove(name);
        }
        Demo::new(command)
    };
    let files = || -> BTreeSet<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // The copies in the program do for a look.
    command(&["up", "--dry-run"]).success();
    assert!(files().is_empty(), "{:?}", files());

    command(&["setup"]).success();
    let expected = demo_stack::assets::ALL.map(|asset| asset.name.to_owned());
    assert_eq!(files(), expected.into_iter().chain([".local".to_owned()]).collect());
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let mut inner = std::process::Command::new(env!("CARGO_BIN_EXE_demo"));
    inner.current_dir(&below).args(["token", "inspect"]);
    Demo::new(inner).success();
    assert!(!Path::new(&below).join(".local").exists(), "the project is found from below");
    command(&["setup"]).says("nothing changed").success();
}
