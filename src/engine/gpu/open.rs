//! A GPU between engines.

use super::device::{Adapter, Device};
use super::shaders::Shaders;
use super::tuning::Tuning;
use crate::error::Result;
use crate::source::LocalFuture;

/// A GPU that is open, with the kernels that are compiled for it. One engine at a time has it.
pub struct Gpu {
    pub(super) device: Device,
    pub(super) shaders: Shaders,
}

impl Gpu {
    /// The GPU that suits best.
    ///
    /// # Errors
    /// `webgpu_unavailable`
    pub fn open() -> LocalFuture<'static, Result<Self>> {
        // On the heap, as its callers would each have a copy of the code.
        Box::pin(async {
            let device = Device::open().await?;
            let tuning = Tuning::default_of(device.abilities);
            Ok(Self { shaders: Shaders::new(&device.wgpu, tuning), device })
        })
    }

    /// The ways to compute that are worth trying on it, the one that it begins with first.
    pub fn tunings(&self) -> Vec<Tuning> {
        Tuning::all(self.device.abilities)
    }

    /// Whether it can compute so.
    pub fn can(&self, tuning: Tuning) -> bool {
        tuning.is_possible(self.device.abilities)
    }

    /// How engines compute that are made with it.
    pub fn tuning(&self) -> Tuning {
        self.shaders.tuning
    }

    /// How engines compute that are made with it from now on.
    pub fn tune(&mut self, tuning: Tuning) {
        self.shaders.tuning = tuning;
    }

    /// What it is.
    pub fn adapter(&self) -> &Adapter {
        &self.device.adapter
    }
}
