//! Cases for the kernels: small recordings with random shapes and weights, for an engine and its naive twin.
//!
//! They are compiled twice: into the native tests, and with the feature `kernel-tests` into a wasm module that a browser
//! test runs in every build, where proptest has no test harness to run in.
mod attention;
mod case;
mod choice;
mod mixers;
mod products;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use proptest::prelude::*;
use tabmind::kernels::formats::Format;

use case::Case;

/// The engine that is compared with the naive one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Cpu,
    Gpu,
}

/// What came of a comparison: the subject's results, or in which way they are wrong.
pub type Verdict<'a> = Pin<Box<dyn Future<Output = Result<Vec<f32>, String>> + 'a>>;

/// One case.
pub trait Check: Debug {
    /// Compares. A `broken` subject leaves the kernel out, to see that this is noticed.
    fn check(&self, subject: Subject, broken: bool) -> Verdict<'_>;
}

/// A kernel, or one format of its weights.
pub struct Kernel {
    pub name: String,
    pub cases: BoxedStrategy<Box<dyn Check>>,
}

fn kernel<C: Check + 'static>(name: impl Into<String>, cases: impl Strategy<Value = C> + 'static) -> Kernel {
    let cases = cases.prop_map(|case| Box::new(case) as Box<dyn Check>).boxed();
    Kernel { name: name.into(), cases }
}

/// All kernels of an engine.
pub fn kernels(subject: Subject) -> Vec<Kernel> {
    let mut kernels = vec![
        kernel("attention", attention::plain()),
        kernel("cached attention", attention::cached()),
        kernel("norms and scale", products::norms_and_scale()),
        kernel("short convolutions", mixers::short_convolutions()),
        kernel("delta nets", mixers::delta_nets()),
    ];
    match subject {
        Subject::Cpu => {
            for &format in Format::ALL {
                kernels.push(kernel(format!("products {format:?}"), products::products(format)));
                let [projections, experts] =
                    [format!("projections {format:?}"), format!("experts {format:?}")];
                let all = mixers::experts([format; 3]);
                kernels.extend(match format.block_len() {
                    1 => [kernel(projections, products::projections(format)), kernel(experts, all)],
                    _ => [
                        kernel(projections, products::rounded_projections(format)),
                        kernel(experts, all.prop_map(Case::with_rounded_activations)),
                    ],
                });
            }
        }
        Subject::Gpu => {
            kernels.push(kernel("experts", mixers::experts([Format::Q4_0, Format::Q8_0, Format::Q5_1])));
            for format in [Format::Q4_0, Format::Q5_1] {
                kernels.push(kernel(format!("packed gates {format:?}"), products::packed_gates(format)));
                kernels.push(kernel(format!("half gates {format:?}"), products::half_gates(format)));
            }
            kernels.push(kernel("long attention", attention::long()));
            kernels.push(kernel("the likeliest token", choice::likeliest()));
            kernels.push(kernel("a drawn token", choice::drawn()));
            for &format in Format::ALL {
                kernels.push(kernel(format!("projections {format:?}"), products::projections(format)));
                if format != Format::F32 {
                    kernels
                        .push(kernel(format!("half products {format:?}"), products::half_products(format)));
                }
                if format.block_len() > 1 {
                    let packed = products::rounded_projections(format).prop_map(Case::packed);
                    kernels.push(kernel(format!("packed projections {format:?}"), packed));
                    let packed = products::packed_products(format);
                    kernels.push(kernel(format!("packed products {format:?}"), packed));
                }
            }
        }
    }
    kernels
}
