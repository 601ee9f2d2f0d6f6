//! Figures as a picture: one SVG file a group, a panel for each chart, nothing loaded from
//! elsewhere. Panels whose points are numbers have lines, the others bars; whiskers go from the
//! lowest to the highest round.

use super::figure::{Figure, Record, Spread, Unit, unique};
use crate::cli::BenchGroup;
use std::fmt::Write as _;

/// Width and height of a panel, in pixels.
const PANEL: (f64, f64) = (560.0, 300.0);
/// Panels in a row.
const COLUMNS: usize = 2;
/// Margins inside a panel: left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (70.0, 52.0, 14.0, 34.0);
/// Distinguishable also without colours being seen the same by everybody (Okabe and Ito).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];
/// A chart whose values differ by more than this factor has a logarithmic scale.
const LOGARITHMIC_FROM: f64 = 30.0;

/// The picture of a group.
pub fn render(record: &Record, group: BenchGroup) -> String {
    let charts = record.charts(group);
    let subjects = unique(record.figures.iter().map(|figure| figure.subject.as_str()));
    let rows = charts.len().div_ceil(COLUMNS).max(1);
    let (width, height) = (PANEL.0 * COLUMNS as f64, PANEL.1 * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>cargo xtask bench {}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n",
        group.name()
    );
    for (index, chart) in charts.iter().enumerate() {
        let x = PANEL.0 * (index % COLUMNS) as f64;
        let y = PANEL.1 * (index / COLUMNS) as f64;
        // Text has no errors.
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        svg.push_str(&panel(chart, &record.chart(chart), &subjects));
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where values are on the vertical axis.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// For figures with these spreads.
    fn of(spreads: &[Spread]) -> Self {
        let high = spreads.iter().map(|spread| spread.high);
        let high = high.fold(0.0, f64::max);
        let positive = spreads.iter().map(|spread| spread.low);
        let low = positive.filter(|low| *low > 0.0).fold(high, f64::min);
        if high > low * LOGARITHMIC_FROM && low > 0.0 {
            return Self {
                low: 10f64.powf(low.log10().floor()),
                high: 10f64.powf(high.log10().ceil()),
                logarithmic: true,
            };
        }
        Self {
            low: 0.0,
            high: if high > 0.0 { high * 1.08 } else { 1.0 },
            logarithmic: false,
        }
    }

    /// The place of a value, in pixels from the top of the panel.
    fn y(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            let value = value.max(self.low);
            (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let (_, top, _, bottom) = MARGIN;
        let room = PANEL.1 - top - bottom;
        top + room * (1.0 - share.clamp(0.0, 1.0))
    }

    /// Values that have a line.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let (low, high) = (self.low.log10().round(), self.high.log10().round());
            let every = ((high - low) / 6.0).ceil().max(1.0);
            let count = ((high - low) / every).floor() as u32;
            return (0..=count)
                .map(|step| 10f64.powf(low + f64::from(step) * every))
                .collect();
        }
        let rough = self.high / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let count = (self.high / step).floor() as u32;
        (0..=count).map(|index| f64::from(index) * step).collect()
    }
}

/// One chart.
fn panel(chart: &str, figures: &[&Figure], subjects: &[&str]) -> String {
    let points = unique(figures.iter().map(|figure| figure.point.as_str()));
    let own = unique(figures.iter().map(|figure| figure.subject.as_str()));
    let spreads: Vec<Spread> = figures
        .iter()
        .filter_map(|figure| Spread::of(&figure.values))
        .collect();
    let unit = figures.first().map_or(Unit::Bytes, |figure| figure.unit);
    let scale = Scale::of(&spreads);
    let lines = points.len() > 1 && points.iter().all(|point| point.parse::<f64>().is_ok());
    let (left, top, right, bottom) = MARGIN;
    let room = PANEL.0 - left - right;
    let slot = room / points.len().max(1) as f64;
    let mut svg = String::new();
    let kind = if scale.logarithmic {
        ", logarithmic"
    } else {
        ""
    };
    let title = escape(&format!("{chart} [{}{kind}]", unit.word()));
    // Text has no errors, here and below.
    let _ = writeln!(
        svg,
        "<text x=\"8\" y=\"16\" font-size=\"12\" font-weight=\"bold\">{title}</text>"
    );
    let mut at = left;
    for subject in &own {
        let colour = colour(subject, subjects);
        let _ = writeln!(
            svg,
            "<rect x=\"{at}\" y=\"26\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"35\">{}</text>",
            at + 14.0,
            escape(subject)
        );
        at += 30.0 + 6.5 * subject.chars().count() as f64;
    }
    for value in scale.ticks() {
        let y = scale.y(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            PANEL.0 - right,
            left - 5.0,
            y + 4.0,
            escape(&label(value))
        );
    }
    let base = PANEL.1 - bottom;
    for (index, point) in points.iter().enumerate() {
        let x = left + slot * (index as f64 + 0.5);
        let size = if point.len() as f64 * 6.0 > slot {
            8
        } else {
            11
        };
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"{size}\" text-anchor=\"middle\">{}</text>",
            base + 16.0,
            escape(point)
        );
    }
    for (number, subject) in own.iter().enumerate() {
        let colour = colour(subject, subjects);
        let width = 0.8 * slot / own.len() as f64;
        let mut path = String::new();
        for (index, point) in points.iter().enumerate() {
            let mut found = figures.iter();
            let figure =
                found.find(|figure| (&*figure.point, &*figure.subject) == (*point, *subject));
            let Some(spread) = figure.and_then(|figure| Spread::of(&figure.values)) else {
                continue;
            };
            let x = left + slot * (index as f64 + 0.5);
            let y = scale.y(spread.median);
            let tip = escape(&format!("{subject}, {point}: {}", unit.show(spread.median)));
            let middle = if lines {
                let step = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{step}{x:.1} {y:.1}");
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\">\
                     <title>{tip}</title></circle>"
                );
                x
            } else {
                let x = x - 0.4 * slot + width * number as f64;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" \
                     fill=\"{colour}\"><title>{tip}</title></rect>",
                    base - y
                );
                x + width / 2.0
            };
            if spread.high > spread.low {
                let _ = writeln!(
                    svg,
                    "<line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" \
                     stroke=\"black\"/>",
                    scale.y(spread.high),
                    scale.y(spread.low)
                );
            }
        }
        if !path.is_empty() {
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
            );
        }
    }
    let _ = writeln!(
        svg,
        "<path d=\"M{left} {top}V{base}H{}\" fill=\"none\" stroke=\"black\"/>",
        PANEL.0 - right
    );
    svg
}

/// A subject has the same colour in all panels.
fn colour(subject: &str, subjects: &[&str]) -> &'static str {
    let index = subjects.iter().position(|name| *name == subject);
    COLOURS
        .get(index.unwrap_or(0) % COLOURS.len())
        .copied()
        .unwrap_or("black")
}

/// A number on an axis.
fn label(value: f64) -> String {
    let scaled = [(1e9, " G"), (1e6, " M"), (1e3, " k")]
        .into_iter()
        .find(|(size, _)| value >= *size);
    match scaled {
        Some((size, unit)) => format!("{}{unit}", (value / size * 100.0).round() / 100.0),
        None if value == 0.0 || value >= 0.01 => format!("{}", (value * 100.0).round() / 100.0),
        None => format!("{value:.0e}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::figure::tests::record;
    use super::*;

    #[test]
    fn a_picture_has_a_panel_for_each_chart_of_its_group_only() {
        let record = record();
        let svg = render(&record, BenchGroup::Boot);
        assert_eq!(svg.matches("<g transform").count(), 1);
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        assert!(svg.contains("boot [s]") && !svg.contains("calls ["));
        assert_eq!(render(&record, BenchGroup::Size).matches("<g ").count(), 0);
    }

    #[test]
    fn a_larger_value_is_further_up_on_either_scale() {
        let spread = |value| Spread {
            low: value,
            median: value,
            high: value,
        };
        for high in [3.0, 3000.0] {
            let scale = Scale::of(&[spread(1.0), spread(high)]);
            assert_eq!(scale.logarithmic, high > LOGARITHMIC_FROM);
            assert!(scale.y(high) < scale.y(1.0));
            assert!(scale.y(high) >= MARGIN.1);
            let ticks = scale.ticks();
            assert!((2..=12).contains(&ticks.len()), "{ticks:?}");
        }
        assert_eq!(Scale::of(&[]).ticks().first(), Some(&0.0));
    }

    #[test]
    fn names_cannot_break_the_picture() {
        assert_eq!(escape("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
        assert_eq!((label(2.5e6), label(0.25)), ("2.5 M".into(), "0.25".into()));
    }
}
