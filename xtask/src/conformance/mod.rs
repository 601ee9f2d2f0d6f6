//! Conformance: what a firmware answers the bare-metal guest of `tests/`, requirement by
//! requirement.
//!
//! [`catalogue`] has the requirements, [`case`] the runs, [`verdicts`] reads what the guest prints,
//! [`judge`] says whether that is what was expected, and [`known`] is the list of what is known to
//! fail. [`standing`] says what runs mean for each requirement; [`table`], [`machine`] and [`page`] show
//! it. [`plug`] and [`outside`] do what runs need from outside of the machine.

mod case;
pub mod catalogue;
mod judge;
mod known;
mod laboratory;
mod machine;
mod outside;
mod page;
mod plug;
mod standing;
mod table;
mod verdicts;

pub use case::{Case, Runner, cases};
pub use laboratory::Laboratory;
pub use verdicts::{Heard, Outcome};

use crate::cli::ConformanceArgs;
use crate::error::WithHint;
use crate::report;
use crate::setup;
use anyhow::{Context, Result, bail};
use catalogue::{Catalogue, Evidence};
use judge::Unexpected;
use known::Subject;
use standing::{Column, Said};
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

/// Whether the catalogue of requirements keeps its rules: how many there are, or what it breaks.
pub fn check_catalogue() -> Result<String> {
    let catalogue = Catalogue::read()?;
    let broken = catalogue::broken(&catalogue)?;
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    Ok(format!("{} requirements", catalogue.requirements.len()))
}

/// `cargo xtask conformance`.
pub fn run(arguments: &ConformanceArgs) -> Result<ExitCode> {
    let catalogue = Catalogue::read()?;
    let key = arguments.only.as_deref().unwrap_or_default();
    if arguments.list {
        println!("{}\n", table::requirements(&catalogue, key)?);
        println!("{}\n", table::known(&arguments.firmware));
        println!("{}", table::promise(&catalogue)?);
        return Ok(ExitCode::SUCCESS);
    }
    let cases = chosen(arguments)?;
    setup::for_qemu()?;
    let runner = Runner::new(&cases)?;
    let mut columns = Vec::new();
    let mut unexpected = Vec::new();
    for of_one in
        cases.chunk_by(|one, other| (&one.firmware, &one.qemu) == (&other.firmware, &other.qemu))
    {
        let (said, failures) = hear(arguments, &runner, of_one)?;
        unexpected.extend(failures);
        if let Some(case) = of_one.first() {
            let names = [
                name(arguments, case),
                case.firmware.clone(),
                case.qemu.clone(),
            ];
            let names = names.each_ref().map(String::as_str);
            let column = Column::of(&catalogue, names, case.subject, &said);
            let surprises = column.surprises.iter().cloned();
            unexpected.extend(surprises.map(|it| (column.name.clone(), it)));
            columns.push(column);
        }
    }
    unexpected.retain(|(_, it)| is_about(&catalogue, it, key));
    if let Some(path) = &arguments.html {
        fs::write(path, page::render(&catalogue, &columns, key)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    report::write_junit(
        &arguments.report,
        &machine::tests(&catalogue, &columns, key),
    )?;
    if arguments.report.json {
        print!("{}", machine::json(&catalogue, &columns, key)?);
    } else if arguments.tap {
        print!("{}", machine::tap(&catalogue, &columns, key)?);
    } else {
        println!("{}", table::results(&catalogue, &columns, key));
        if key.is_empty() {
            println!("\n{}\n", table::totals(&catalogue, &columns));
            println!("{}", table::coverage(&catalogue, &columns)?);
        }
    }
    for (place, it) in &unexpected {
        eprintln!("UNEXPECTED {place}: {it}");
    }
    Ok(if unexpected.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Something unexpected, and where.
type Surprise = (String, Unexpected);

/// What is said in each of the cases, and what is not as expected.
fn hear(
    arguments: &ConformanceArgs,
    runner: &Runner,
    cases: &[Case],
) -> Result<(Vec<Said>, Vec<Surprise>)> {
    let (mut all, mut unexpected) = (Vec::new(), Vec::new());
    for case in cases {
        let started = Instant::now();
        let heard = runner.hear(case)?;
        if arguments.run.is_some() && case.run.name != case::FULL {
            // Few checks, with figures.
            for verdict in &heard.verdicts {
                eprintln!("{}", verdict.line());
            }
        }
        eprintln!("{case}: {:.1} s", started.elapsed().as_secs_f64());
        let failures = judge::failures(&heard, &known::of(case.subject), Some(case.run));
        unexpected.extend(failures.into_iter().map(|it| (case.to_string(), it)));
        all.push(Said {
            run: case.run.name,
            heard,
        });
    }
    Ok((all, unexpected))
}

/// Whether something unexpected concerns what `key` chooses. What concerns a whole run always does.
fn is_about(catalogue: &Catalogue, unexpected: &Unexpected, key: &str) -> bool {
    let Some((id, check)) = &unexpected.about else {
        return true;
    };
    let mut requirements = catalogue.requirements.iter();
    let evidence = Evidence::Guest(check.clone());
    id.contains(key)
        || check.contains(key)
        || requirements.any(|it| (it.id == *id || it.also.contains(&evidence)) && it.matches(key))
}

/// The run that was asked for, or all that say something of it, on each firmware and QEMU.
fn chosen(arguments: &ConformanceArgs) -> Result<Vec<Case>> {
    let asked = arguments.run.as_deref().map(|name| {
        case::run_named(name)
            .with_context(|| format!("there is no run {name}"))
            .hint("the runs are in tests/src/runs.rs")
    });
    let asked = asked.transpose()?;
    let judged_as = arguments.judged_as.as_deref().map(|name| {
        Some(Subject::named(name))
            .filter(|subject| *subject != Subject::Other)
            .with_context(|| format!("nothing is known of {name}"))
            .hint("--as takes oxrtas, slof or vof")
    });
    let judged_as = judged_as.transpose()?;
    let mut cases = Vec::new();
    for qemu in &arguments.qemu {
        for firmware in &arguments.firmware {
            let subject = match Subject::named(firmware) {
                Subject::Other => judged_as.unwrap_or(Subject::Other),
                own => own,
            };
            let runs = asked.map_or_else(|| case::runs_of(subject), |run| vec![run]);
            cases.extend(runs.into_iter().map(|run| Case {
                firmware: firmware.clone(),
                subject,
                qemu: qemu.clone(),
                run,
            }));
        }
    }
    Ok(cases)
}

/// What a column is called: the firmware, and QEMU where there are several.
fn name(arguments: &ConformanceArgs, case: &Case) -> String {
    match arguments.qemu.len() {
        1 => case.firmware.clone(),
        _ => format!("{} {}", case.firmware, case.qemu),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ConformanceArgs,
    }

    fn cases(line: &[&str]) -> Result<Vec<Case>> {
        let line = ["conformance"].iter().chain(line);
        chosen(&Line::try_parse_from(line)?.arguments)
    }

    #[test]
    fn a_file_is_judged_as_ours_only_if_that_is_said() {
        let subject = |line: &[&str]| cases(line).unwrap()[0].subject;
        assert_eq!(subject(&["--firmware", "a.bin"]), Subject::Other);
        assert_eq!(
            subject(&["--firmware", "a.bin", "--as", "oxrtas"]),
            Subject::Oxrtas
        );
        assert_eq!(
            subject(&["--firmware", "slof", "--as", "oxrtas"]),
            Subject::Slof
        );
        assert!(cases(&["--as", "a.bin"]).is_err());
        assert!(cases(&["--run", "none"]).is_err());
    }

    #[test]
    fn a_run_that_is_named_is_made_alone_and_otherwise_all_that_count() {
        assert_eq!(cases(&["--run", case::FULL]).unwrap().len(), 3);
        let all = cases(&["--firmware", "oxrtas"]).unwrap();
        assert_eq!(all.len(), case::runs_of(Subject::Oxrtas).len());
        assert!(all.iter().any(|case| case.run.name == "outside"));
    }

    #[test]
    fn what_a_key_does_not_choose_fails_nothing() {
        let catalogue = Catalogue::read().unwrap();
        let heard = Heard::of([
            "not ok R1-7.2.6-3 rtas-properties: x",
            "guest: done, 1 checks",
        ]);
        let failures = judge::failures(&heard, &[], None);
        let chosen = |key: &str| failures.iter().any(|it| is_about(&catalogue, it, key));
        assert!(chosen("") && chosen("R1-7.2.6-3") && chosen("rtas-properties"));
        assert!(!chosen("R1-7.2.6-4") && !chosen("get-xive"));
        let run = judge::failures(&Heard::of([]), &[], None);
        assert!(run.iter().all(|it| is_about(&catalogue, it, "R1-7.2.6-4")));
    }
}
