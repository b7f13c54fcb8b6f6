//! The kernels' cases, for a test that runs them in browsers.

use js_sys::Promise;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::answered;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel_cases::{Kernel, Subject, kernels};

/// What came of a kernel's cases.
#[derive(Serialize, Default)]
struct Report {
    /// How many were run.
    cases: u32,
    /// The first one that failed, and how.
    failure: Option<String>,
    /// Of all results, to the last bit.
    checksum: String,
}

fn subject(gpu: bool) -> Subject {
    if gpu { Subject::Gpu } else { Subject::Cpu }
}

/// Names of the GPU's kernels, or the CPU's.
#[wasm_bindgen(js_name = kernelNames)]
pub fn kernel_names(gpu: bool) -> Vec<String> {
    kernels(subject(gpu)).into_iter().map(|kernel| kernel.name).collect()
}

/// Compares a kernel with its twin: `cases` cases that are the same in every module. Resolves to a Report JSON.
#[wasm_bindgen(js_name = checkKernel)]
pub fn check_kernel(gpu: bool, name: String, cases: u32, broken: bool) -> Promise {
    answered(async move {
        let subject = subject(gpu);
        let kernel = kernels(subject).into_iter().find(|kernel| kernel.name == name);
        let kernel =
            kernel.ok_or_else(|| Error::new(ErrorKind::InvalidRequest, format!("no kernel {name}")))?;
        check(&kernel, subject, cases, broken).await
    })
}

async fn check(kernel: &Kernel, subject: Subject, cases: u32, broken: bool) -> Result<Report> {
    // Each kernel has cases of its own.
    let mut seed = [0; 32];
    seed.iter_mut().zip(kernel.name.bytes().cycle()).for_each(|(seed, byte)| *seed = byte);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut report = Report::default();
    let mut hash = 0u64;
    while report.cases < cases && report.failure.is_none() {
        let tree = kernel.cases.new_tree(&mut runner);
        let case =
            tree.map_err(|reason| Error::new(ErrorKind::InvalidRequest, reason.to_string()))?.current();
        match case.check(subject, broken).await {
            Ok(values) => {
                for value in values {
                    hash = (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3);
                }
            }
            Err(difference) => report.failure = Some(format!("{difference}\n{case:?}")),
        }
        report.cases += 1;
    }
    report.checksum = format!("{hash:016x}");
    Ok(report)
}
