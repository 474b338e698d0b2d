//! `sql`.

use std::io::Read;

use comfy_table::{ContentArrangement, Table as Drawing, presets};

use super::session::Session;
use super::target::refuse_stdin_twice;
use crate::cli::OutputFormat;
use crate::cli::data::SqlArgs;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld_client::table::Table;

/// Runs the SQL and prints a table on a terminal, tab-separated lines in a pipe, or JSON.
pub async fn run(settings: &Settings, args: &SqlArgs, output: &Output) -> Result<()> {
    let text = if args.query == "-" {
        refuse_stdin_twice(&args.target, "the SQL")?;
        from_stdin()?
    } else {
        args.query.clone()
    };
    if text.trim().is_empty() {
        return Err(Fault::input("there is no SQL to run")
            .hint("run `demo sql 'select * from items'`, or pass - to read the SQL from stdin")
            .into());
    }
    let mut session = Session::open(settings, &args.target).await?;
    let table = session.sql(&text).await;
    session.tell(output);
    let table = table?;
    match output.format() {
        OutputFormat::Json => output.json(&table.to_json()),
        _ if table.columns.is_empty() => {
            output.note("done");
            Ok(())
        }
        _ if output.is_terminal() => output.line(draw(&table)),
        _ => output.line(tab_separated(&table)),
    }
}

fn draw(table: &Table) -> String {
    let mut drawing = Drawing::new();
    drawing
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(&table.columns)
        .add_rows(table.text_rows());
    drawing.to_string()
}

/// A header and the rows; a tab or a newline in a value is written as `\t` or `\n`, as the `SQLite`
/// shell does in this mode.
fn tab_separated(table: &Table) -> String {
    let escape =
        |value: &String| value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    let line = |values: &Vec<String>| values.iter().map(escape).collect::<Vec<_>>().join("\t");
    let rows = table.text_rows();
    std::iter::once(&table.columns).chain(&rows).map(line).collect::<Vec<_>>().join("\n")
}

fn from_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Fault::input("the SQL on stdin is not valid UTF-8").because(error))?;
    Ok(text)
}
