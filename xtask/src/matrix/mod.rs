//! The QEMU matrix: kernels, QEMU versions, processors, interrupt modes, memory and tasks.

mod point;
mod run;

pub use point::{Point, all, pairwise};
pub use run::Runner;

use crate::report::{Tested, Verdict};
use comfy_table::{Table, presets};

/// The name of the test of `point`.
pub fn name(point: &Point) -> String {
    format!("qemu/{point}")
}

/// The matrix as a table.
pub fn table(results: &[(Point, Tested)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(point::AXES.into_iter().chain(["seconds", "verdict"]));
    for (point, tested) in results {
        let verdict = match &tested.verdict {
            Verdict::Passed(_) => "pass".to_owned(),
            Verdict::Failed(detail) => {
                let first = detail.lines().next().unwrap_or_default();
                format!("FAIL: {first}")
            }
            Verdict::Skipped(reason) => reason.clone(),
        };
        let seconds = format!("{:.1}", tested.duration.as_secs_f64());
        let words = point.words().map(str::to_owned).into_iter();
        table.add_row(words.chain([seconds, verdict]));
    }
    table
}
