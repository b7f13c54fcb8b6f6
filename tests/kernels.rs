//! Every kernel of both engines against its naive twin, natively; `tests/browser/kernels.test.mjs` does the same in Chromium.

mod cases;
mod common;
#[path = "common/gpu.rs"]
mod gpu;

use cases::{Subject, kernels};
use pollster::block_on;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Runs `count` cases of every kernel whose name begins with `name`.
fn check(subject: Subject, name: &str, count: u32) {
    if subject == Subject::Gpu && !gpu::is_there() {
        return;
    }
    let found: Vec<_> = kernels(subject).into_iter().filter(|kernel| kernel.name.starts_with(name)).collect();
    assert!(!found.is_empty(), "no kernel {name}");
    for kernel in found {
        let config = Config { failure_persistence: None, ..Config::with_cases(common::soak(count)) };
        let verdict = TestRunner::new(config).run(&kernel.cases, |case| {
            block_on(case.check(subject, false)).map(drop).map_err(TestCaseError::fail)
        });
        assert!(verdict.is_ok(), "{}: {}", kernel.name, verdict.unwrap_err());
    }
}

macro_rules! tests {
    ($($test:ident: $subject:ident, $name:literal, $count:literal;)*) => {
        $(#[test]
        fn $test() {
            check(Subject::$subject, $name, $count);
        })*

        /// No kernel is left out.
        #[test]
        fn all_kernels_are_tested() {
            let tested = [$((Subject::$subject, $name)),*];
            for subject in [Subject::Cpu, Subject::Gpu] {
                for kernel in kernels(subject) {
                    let is_tested = tested.iter().any(|(s, name)| *s == subject && kernel.name.starts_with(name));
                    assert!(is_tested, "{subject:?}: {}", kernel.name);
                }
            }
        }
    };
}

tests! {
    cpu_products: Cpu, "products", 8;
    cpu_projections: Cpu, "projections", 20;
    cpu_attention: Cpu, "attention", 20;
    cpu_cached_attention: Cpu, "cached attention", 40;
    cpu_norms_and_scale: Cpu, "norms", 20;
    cpu_short_convolutions: Cpu, "short", 20;
    cpu_delta_nets: Cpu, "delta", 20;
    cpu_experts: Cpu, "experts", 6;
    gpu_projections: Gpu, "projections", 3;
    gpu_packed_projections: Gpu, "packed projections", 3;
    gpu_packed_gates: Gpu, "packed gates", 4;
    gpu_packed_products: Gpu, "packed products", 3;
    gpu_half_gates: Gpu, "half gates", 4;
    gpu_half_products: Gpu, "half products", 3;
    gpu_attention: Gpu, "attention", 16;
    gpu_cached_attention: Gpu, "cached attention", 12;
    gpu_long_attention: Gpu, "long attention", 8;
    gpu_norms_and_scale: Gpu, "norms", 12;
    gpu_short_convolutions: Gpu, "short", 8;
    gpu_delta_nets: Gpu, "delta", 8;
    gpu_experts: Gpu, "experts", 8;
    gpu_likeliest_token: Gpu, "the likeliest", 10;
    gpu_drawn_token: Gpu, "a drawn", 10;
}

/// A comparison that is told to look at other weights fails, for every kernel.
#[test]
fn the_comparison_can_fail() {
    let gpu = gpu::is_there().then_some(Subject::Gpu);
    for subject in [Subject::Cpu].into_iter().chain(gpu) {
        for kernel in kernels(subject) {
            let mut runner = TestRunner::deterministic();
            let is_noticed = (0..5).any(|_| {
                let case = kernel.cases.new_tree(&mut runner).unwrap().current();
                block_on(case.check(subject, true)).is_err()
            });
            assert!(is_noticed, "{subject:?}: {}", kernel.name);
        }
    }
}
