//! The figures for people and for programs.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use transom_pipeline::report::{Bytes, Count, counted};
use transom_plugin::{Plugin, Timing};

use super::Figures;
use super::measure::Measured;
use crate::printer::{FAINT, NAME};

/// The figures of a function or transform, a line each; of two plugins beside each other, with how many times as long the first takes.
pub(super) fn text(plugins: &[Arc<Plugin>], figures: &Figures) -> String {
    let Figures { subject, measured } = figures;
    let largest = measured.first().map_or(0, |ours| ours.largest.0);
    let (name, origin) = (&subject.name, &subject.origin);
    let mut lines = vec![format!("{NAME}{name}{NAME:#} {FAINT}{origin}{FAINT:#}")];
    if let [ours, other] = measured.as_slice() {
        let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
        let (first, second) = match names[..] {
            [ours, other] if ours != other => (ours.to_owned(), other.to_owned()),
            _ => ("this".to_owned(), "other".to_owned()),
        };
        lines.push(row("", &[first, second, "as long".to_owned()]));
        let times = |label: &str, figure: fn(&Measured) -> f64| {
            let (ours, other) = (figure(ours), figure(other));
            row(label, &[time(ours), time(other), ratio(ours, other)])
        };
        lines.push(times("once", |measured| measured.once.as_secs_f64()));
        lines.push(times("per call", |measured| measured.line.per_call));
        lines.push(times("per row", |measured| measured.line.per_row));
        lines.push(times("whole", |measured| measured.largest.1.as_secs_f64()));
        let memory = |measured: &Measured| Bytes(measured.peak_memory as u64).to_string();
        let (here, there) = (ours.peak_memory as f64, other.peak_memory as f64);
        lines.push(row(
            "memory",
            &[memory(ours), memory(other), ratio(here, there)],
        ));
    }
    if let [ours] = measured.as_slice() {
        let per_second = ours.per_second();
        let share = shares(&ours.split);
        let mut line = |label: &str, value: String, what: &str| {
            lines.push(format!("  {label:<10}{value:>10}  {FAINT}{what}{FAINT:#}"));
        };
        let memory = Bytes(ours.peak_memory as u64).to_string();
        line(
            "once",
            time(ours.once.as_secs_f64()),
            "starting an instance, opening it",
        );
        line("per call", time(ours.line.per_call), "");
        line("per row", time(ours.line.per_row), "");
        let rows = counted(largest as u64, "row");
        let whole = format!("a call with {rows}: {} rows a second", Count(per_second));
        line("whole", time(ours.largest.1.as_secs_f64()), &whole);
        let border = format!(
            "of it in the plugin; {} in, {} out",
            percent(share[0]),
            percent(share[2])
        );
        line("share", percent(share[1]), &border);
        line("memory", memory, "at most");
    }
    if let [ours, other] = measured.as_slice()
        && ours.outcome.difference(&other.outcome).is_none()
    {
        let rows = counted(largest as u64, "row");
        lines.push(format!("  {FAINT}both give the same for {rows}{FAINT:#}"));
    }
    for (plugin, measured) in plugins.iter().zip(measured) {
        let plugin = plugin.name();
        let rejected = measured.outcome.rejected.len();
        if rejected > 0 {
            let (rejected, rows) = (Count(rejected as u64), counted(largest as u64, "row"));
            let hint = match subject.is_made_up {
                true => ": give it real ones with `--data FILE`",
                false => "",
            };
            lines.push(format!("  `{plugin}` rejects {rejected} of {rows}{hint}"));
        }
        if measured.line.off > 0.25 {
            let off = percent(measured.line.off);
            let note = format!(
                "`{plugin}`: costs per call and row are up to {off} off the measured times; `--seconds` measures longer"
            );
            lines.push(format!("  {FAINT}{note}{FAINT:#}"));
        }
    }
    lines.join("\n") + "\n"
}

fn row(label: &str, values: &[String]) -> String {
    let mut line = format!("  {label:<10}");
    for value in values {
        // Writing to a string does not fail.
        let _ = write!(line, "{value:>14}");
    }
    line
}

impl Measured {
    /// Rows a second with the largest batch.
    fn per_second(&self) -> u64 {
        let (rows, took) = self.largest;
        (rows as f64 / took.as_secs_f64().max(1e-9)) as u64
    }
}

/// Three figures, in the unit in which that is at least one.
fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        _ if seconds >= 1.0 => (seconds, "s"),
        _ if seconds >= 1e-3 => (seconds * 1e3, "ms"),
        _ if seconds >= 1e-6 => (seconds * 1e6, "µs"),
        _ => (seconds * 1e9, "ns"),
    };
    let decimals = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

fn ratio(ours: f64, other: f64) -> String {
    match other > 0.0 {
        true => format!("{:.2} x", ours / other),
        false => "-".to_owned(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The way in, the guest, the way out.
fn shares(split: &Timing) -> [f64; 3] {
    let parts = [split.lowering, split.guest, split.lifting];
    let sum: Duration = parts.iter().sum();
    parts.map(|part| part.as_secs_f64() / sum.as_secs_f64().max(1e-12))
}

/// Everything, times in seconds.
pub(super) fn to_json(plugins: &[Arc<Plugin>], figures: &Figures) -> Value {
    let Figures { subject, measured } = figures;
    let plugins = plugins.iter().zip(measured).map(|(plugin, measured)| {
        let [lowering, guest, lifting] = shares(&measured.split);
        let (rows, seconds) = measured.largest;
        json!({
            "plugin": plugin.name(),
            "version": plugin.description().version,
            "digest": plugin.digest(),
            "once_seconds": measured.once.as_secs_f64(),
            "call_seconds": measured.line.per_call,
            "row_seconds": measured.line.per_row,
            "off": measured.line.off,
            "largest": { "rows": rows, "seconds": seconds.as_secs_f64(), "rows_per_second": measured.per_second() },
            "shares": { "lowering": lowering, "guest": guest, "lifting": lifting },
            "peak_memory": measured.peak_memory,
            "rejected": measured.outcome.rejected.len(),
        })
    });
    json!({
        "name": subject.name,
        "data": subject.origin,
        "plugins": plugins.collect::<Vec<_>>(),
        "differ": match measured.as_slice() {
            [ours, other] => json!(ours.outcome.difference(&other.outcome)),
            _ => Value::Null,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_figures() {
        let shown = [1.234e-9, 98.7e-9, 999.6e-9, 1.5e-6, 0.0163, 0.9, 2.0].map(time);
        assert_eq!(
            shown,
            [
                "1.23 ns", "98.7 ns", "1000 ns", "1.50 µs", "16.3 ms", "900 ms", "2.00 s"
            ]
        );
    }
}
