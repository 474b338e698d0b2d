//! What the README tells a newcomer to type works, in the order it is written.

use std::fs;
use std::path::Path;
use std::process::Command;

use demo_test_support::{Demo, Project};

/// The default ports, which the text names.
const PORTS: [&str; 4] = ["18080", "18081", "18082", "18083"];
const FEWEST: usize = 8;

/// The lines after `$ ` in blocks that begin with exactly three backticks and
/// `console`; a line that ends in a backslash goes on in the next.
fn commands(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut inside = false;
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            inside = !inside && info.trim() == "console";
            goes_on = false;
        } else if inside && goes_on {
            let command = commands.last_mut().unwrap();
            command.push('\n');
            command.push_str(line.trim_start_matches("> "));
            goes_on = line.ends_with('\\');
        } else if let Some(command) = line.trim_start().strip_prefix("$ ").filter(|_| inside) {
            commands.push(command.to_owned());
            goes_on = line.ends_with('\\');
        }
    }
    commands
}

#[test]
fn blocks_are_told_apart() {
    let text = "```console\n$ demo a \\\n> b\noutput\n$ demo c\n```\n$ no\n```console no-test\n\
                $ no\n```\n```sh\n$ no\n```\n```console\n$ demo d\n```\n";
    assert_eq!(commands(text), ["demo a \\\nb", "demo c", "demo d"]);
}

#[test]
fn every_command_of_the_readme_works() {
    let Ok(text) = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
    else {
        return;
    };
    let project = Project::new();
    let program = Path::new(env!("CARGO_BIN_EXE_demo")).parent().unwrap();
    let commands = commands(&text);
    assert!(commands.len() >= FEWEST, "{commands:#?}");
    for command in commands {
        let mut line = command.clone();
        for (default, own) in PORTS.into_iter().zip(project.ports()) {
            line = line.replace(default, &own.to_string());
        }
        let path = format!("PATH={}:\"$PATH\"\n", program.display());
        let mut shell = Command::new("sh");
        project.furnish(&mut shell);
        shell.args(["-c", &(path + &line)]);
        Demo::new(shell).success();
    }
}
