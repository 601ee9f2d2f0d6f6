//! When a run reached which point.

use serde::Serialize;
use std::time::Duration;

/// Lines of the console that mark a point, in the order in which they come, and what to call it.
/// `Linux version` comes twice: prom_init prints it after other words.
const POINTS: [(&str, &str); 9] = [
    ("] Linux version", "first kernel"),
    ("OXRTAS-PHASE init", "user space"),
    ("OXRTAS-PHASE crash", "crash"),
    ("Kernel panic - not syncing", "panic"),
    ("I'm in purgatory", "purgatory"),
    ("] Linux version", "kdump kernel"),
    ("OXRTAS-PHASE second-kernel", "kdump user space"),
    ("OXRTAS-PHASE checked", "dump checked"),
    ("OXRTAS-PHASE second-crash", "second crash"),
];

/// A point that was reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// What it is called.
    pub name: &'static str,
    /// Seconds since the machine was started.
    pub seconds: f64,
}

/// The points reached so far.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    points: Vec<Point>,
    next: usize,
}

impl Timeline {
    /// Looks at a line that came `at` after the start. Points that were left out are passed over.
    pub fn push(&mut self, at: Duration, line: &str) {
        let rest = POINTS.iter().enumerate().skip(self.next);
        let mut found = rest.filter(|(_, (pattern, _))| line.contains(pattern));
        if let Some((index, (_, name))) = found.next() {
            self.points.push(Point {
                name,
                seconds: at.as_secs_f64(),
            });
            self.next = index + 1;
        }
    }

    /// Adds a point that the host saw, `at` after the start, where it belongs.
    pub fn mark(&mut self, name: &'static str, at: Duration) {
        let seconds = at.as_secs_f64();
        let before = |point: &Point| point.seconds <= seconds;
        let place = self.points.iter().take_while(|point| before(point)).count();
        self.points.insert(place, Point { name, seconds });
    }

    /// The points, in order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Seconds between two points, if both were reached.
    pub fn between(&self, from: &str, to: &str) -> Option<f64> {
        let at = |name: &str| self.points.iter().find(|point| point.name == name);
        Some(at(to)?.seconds - at(from)?.seconds)
    }

    /// The last point reached.
    pub fn last(&self) -> &'static str {
        self.points.last().map_or("the start", |point| point.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_linux_is_the_kdump_kernel() {
        let mut timeline = Timeline::default();
        let lines = [
            "Preparing to boot Linux version 6.1",
            "[    0.000000] Linux version 6.1",
            "OXRTAS-PHASE init 1.0",
            "OXRTAS-PHASE crash 2.0",
            "[    0.000000] Linux version 6.1",
        ];
        for (second, line) in lines.iter().enumerate() {
            timeline.push(Duration::from_secs(second as u64), line);
        }
        let names: Vec<&str> = timeline.points().iter().map(|point| point.name).collect();
        assert_eq!(
            names,
            ["first kernel", "user space", "crash", "kdump kernel"]
        );
        assert_eq!(timeline.between("crash", "kdump kernel"), Some(1.0));
        assert_eq!(timeline.between("crash", "panic"), None);
        assert_eq!(timeline.last(), "kdump kernel");
        timeline.push(Duration::from_secs(6), "OXRTAS-PHASE checked 9.0");
        timeline.push(Duration::from_secs(7), "OXRTAS-PHASE second-crash 9.1");
        assert_eq!(timeline.last(), "second crash");
        timeline.mark("victim held", Duration::from_millis(3500));
        assert_eq!(timeline.points()[3].name, "victim held");
        timeline.mark("hang", Duration::from_secs(9));
        assert_eq!(timeline.last(), "hang");
    }
}
