//! Draws what `demo auth bench` has measured as SVG: bars for the lookups, dots for the lags.
//!
//!     demo auth bench -o json > bench.json
//!     cargo run --example lookups-plot < bench.json > bench.svg

use std::error::Error as StdError;
use std::io::Write;

use demo_login::bench::report::{LookupRow, Report, RevocationRow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

type Drawn = std::result::Result<(), Box<dyn StdError>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn main() -> Drawn {
    let report: Report = serde_json::from_reader(std::io::stdin().lock())?;
    let mut text = String::new();
    draw(&report, &mut text)?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// The size of a panel, in SVG units.
const PANEL: (u32, u32) = (520, 400);
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const BAR: RGBColor = RGBColor(0x35, 0x6e, 0xb5);
const DOT: RGBColor = RGBColor(0x35, 0x6e, 0xb5);
const BOUND: RGBColor = RGBColor(0xb5, 0x40, 0x35);

/// An SVG on a white background, so that it is readable on any page. It has a panel with the lags
/// if an embedded replica was measured.
fn draw(report: &Report, text: &mut String) -> Drawn {
    let lags: Vec<_> = report
        .revocations
        .iter()
        .filter_map(|row| Some((f64::from(u32::try_from(row.sync_interval_secs?).ok()?), row)))
        .collect();
    let panels = if lags.is_empty() { 1 } else { 2 };
    let root = SVGBackend::with_string(text, (PANEL.0 * panels, PANEL.1)).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((1, panels as usize));
    lookups(&areas[0], &report.lookups)?;
    if let Some(area) = areas.get(1) {
        revocations(area, &lags)?;
    }
    root.present()?;
    Ok(())
}

/// Draws horizontal bars, so that there is room for the names above them.
fn lookups(area: &Area<'_>, rows: &[LookupRow]) -> Drawn {
    let rates = || rows.iter().map(|row| row.per_second.max(1.0));
    let least = 10_f64.powf(rates().fold(f64::MAX, f64::min).log10().floor());
    let most = 10_f64.powf(rates().fold(1.0, f64::max).log10().ceil()).max(least * 10.0);
    let mut chart = ChartBuilder::on(area)
        .caption("Token lookups a second", (FONT, 18, &INK))
        .margin(16)
        .margin_right(28)
        .x_label_area_size(44)
        .build_cartesian_2d((least..most).log_scale(), 0.0..row_number(rows.len()))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .x_desc("logarithmic scale")
        .x_label_formatter(&|value| grouped(*value))
        .label_style((FONT, 13, &INK))
        .draw()?;
    for (number, row) in rows.iter().enumerate() {
        // The first row is at the top.
        let bottom = row_number(rows.len() - 1 - number);
        let bar = [(least, bottom + 0.15), (row.per_second.max(least), bottom + 0.6)];
        let text = format!("{}: {}", row.name(), grouped(row.per_second));
        let style = words(14, &INK, HPos::Left, VPos::Bottom);
        chart.draw_series([Rectangle::new(bar, BAR.filled())])?;
        chart.draw_series([Text::new(text, (least, bottom + 0.64), style)])?;
    }
    Ok(())
}

/// Draws every lag as a dot, below the line of the bound.
fn revocations(area: &Area<'_>, rows: &[(f64, &RevocationRow)]) -> Drawn {
    let most = rows.iter().fold(0.0, |most: f64, (interval, _)| most.max(*interval)) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .caption("A revoked token is still accepted elsewhere", (FONT, 18, &INK))
        .margin(16)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..most, 0.0..most)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .x_desc("syncIntervalSecs")
        .y_desc("seconds")
        .label_style((FONT, 13, &INK))
        .draw()?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (most, most)], BOUND.stroke_width(2)))?;
    let style = words(14, &BOUND, HPos::Right, VPos::Bottom);
    chart.draw_series([Text::new("the bound", (most * 0.84, most * 0.88), style)])?;
    for (interval, row) in rows {
        let dots = row.lags_millis.iter().map(|lag| (*interval, lag / 1e3));
        chart.draw_series(dots.map(|at| Circle::new(at, 4, DOT.mix(0.45).filled())))?;
        let median = row.median_millis / 1e3;
        let half = most * 0.02;
        let mark = [(interval - half, median), (interval + half, median)];
        chart.draw_series(LineSeries::new(mark, INK.stroke_width(2)))?;
        let style = words(12, &INK, HPos::Left, VPos::Center);
        let text = format!("{median:.2}");
        chart.draw_series([Text::new(text, (interval + half * 1.4, median), style)])?;
    }
    Ok(())
}

fn words(size: u32, color: &'static RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    TextStyle::from((FONT, size)).color(color).pos(Pos::new(h, v))
}

fn row_number(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

/// A whole number with its digits grouped: 1 234 567.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
