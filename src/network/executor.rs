//! Engines by name, and what they execute on.

use crate::engine::Gpu;
use crate::error::Result;

/// Which engine runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// SIMD on the CPU.
    #[default]
    Cpu,
    /// WebGPU.
    Gpu,
    /// The oracle, for tests.
    Naive,
}

impl Backend {
    /// The word of the API.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Cpu => "cpu",
            Backend::Gpu => "webgpu",
            Backend::Naive => "naive",
        }
    }
}

/// What a network is to be built on.
pub enum Executor {
    /// SIMD on the CPU.
    Cpu,
    /// WebGPU, on a GPU that is open.
    Gpu(Box<Gpu>),
    /// The oracle, for tests.
    Naive,
}

impl Executor {
    /// What runs the engine of this name.
    ///
    /// # Errors
    /// `webgpu_unavailable`
    pub async fn open(backend: Backend) -> Result<Self> {
        Ok(match backend {
            Backend::Cpu => Executor::Cpu,
            Backend::Gpu => Executor::Gpu(Box::new(Gpu::open().await?)),
            Backend::Naive => Executor::Naive,
        })
    }

    /// Its engine's name.
    pub fn backend(&self) -> Backend {
        match self {
            Executor::Cpu => Backend::Cpu,
            Executor::Gpu(_) => Backend::Gpu,
            Executor::Naive => Backend::Naive,
        }
    }
}
