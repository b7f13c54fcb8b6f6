//! `cargo xtask test`: every kind of test once, each step timed, all of them even after a failure.

mod count;
mod steps;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::args::Args;
use crate::shell::{self, AlreadyReported};
use count::Count;
use steps::Step;

/// What a step came to.
struct Report {
    name: &'static str,
    count: Count,
    elapsed: Duration,
}

pub fn command(mut args: Args) -> Result<()> {
    let soak = args.flag("--soak");
    let only = args.value("--only")?;
    args.finish()?;
    let steps: Vec<_> = steps::all()
        .into_iter()
        .filter(|step| only.as_ref().is_none_or(|name| step.name.contains(name.as_str())))
        .collect();
    if steps.is_empty() {
        let names: Vec<_> = steps::all().iter().map(|step| step.name).collect();
        bail!(
            "--only {}: no step has this in its name; there are {}",
            only.unwrap_or_default(),
            names.join(", ")
        );
    }
    fs::create_dir_all(steps::log_dir())?;
    let reports: Vec<_> = steps.into_iter().map(|step| run(step, soak)).collect();
    summarise(&reports)
}

fn run(step: Step, soak: bool) -> Report {
    eprintln!("\n── {} ──", step.name);
    let started = Instant::now();
    let count = (step.run)(soak).unwrap_or_else(|error| {
        if !error.is::<AlreadyReported>() {
            eprintln!("error: {error:#}");
        }
        Count::FAILED
    });
    Report { name: step.name, count, elapsed: started.elapsed() }
}

fn summarise(reports: &[Report]) -> Result<()> {
    println!("\n{:<24}{:>8}{:>8}{:>9}{:>9}", "", "passed", "failed", "skipped", "time");
    for Report { name, count, elapsed } in reports {
        let seconds = format!("{:.1} s", elapsed.as_secs_f64());
        println!("{name:<24}{:>8}{:>8}{:>9}{seconds:>9}", count.passed, count.failed, count.skipped);
    }
    let total = reports.iter().map(|report| report.count).fold(Count::default(), Count::plus);
    let minutes = reports.iter().map(|report| report.elapsed).sum::<Duration>().as_secs_f64() / 60.0;
    println!("logs in {}, {minutes:.1} minutes", shell::relative(&steps::log_dir()));
    // The last line has this form for the machines that read it.
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed == 0 { Ok(()) } else { Err(AlreadyReported.into()) }
}
