//! The device: found, watched for errors, asked for buffers. Native and in a browser the same code.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use super::abilities::{self, Abilities};
use crate::error::{Error, ErrorKind, Result, bail};

/// Uploads are handed over once this many bytes wait.
const UPLOAD_BYTES: usize = 8 << 20;

/// A GPU, or what passes for one.
pub struct Device {
    /// Creates.
    pub wgpu: wgpu::Device,
    /// Executes.
    pub queue: wgpu::Queue,
    /// What it is.
    pub adapter: Adapter,
    /// What it does beyond what every one does.
    pub abilities: Abilities,
    limits: wgpu::Limits,
    fault: Arc<Mutex<Option<Error>>>,
    /// Bytes written since the last submission.
    waiting: usize,
    /// Bytes of all buffers.
    allocated: Cell<usize>,
    /// Buffers, bind groups and pipelines made so far.
    created: Cell<usize>,
}

/// What executes the kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// As the driver or the browser names it.
    pub name: String,
    /// Whether it is a program that does as if.
    pub is_software: bool,
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

fn unavailable(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::WebgpuUnavailable, detail)
        .with_hint("Leave the backend option out, or set it to \"cpu\".")
}

async fn request_adapter(instance: &wgpu::Instance) -> Result<wgpu::Adapter> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    instance
        .request_adapter(&options)
        .await
        .map_err(|error| unavailable(format!("no WebGPU adapter: {error}")))
}

impl Adapter {
    /// The adapter that [`Device::open`] would use.
    ///
    /// # Errors
    /// `webgpu_unavailable`
    pub async fn find() -> Result<Self> {
        Ok(Self::of(&request_adapter(&instance()).await?.get_info(), None))
    }

    /// Browsers tell little, some nothing.
    fn of(info: &wgpu::AdapterInfo, told: Option<String>) -> Self {
        let told = [info.name.clone(), info.driver.clone()].into_iter().chain(told);
        let name = told.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| "unnamed".into());
        Self { name, is_software: info.device_type == wgpu::DeviceType::Cpu }
    }
}

impl Device {
    /// The device that suits best, with all that its adapter offers.
    ///
    /// # Errors
    /// `webgpu_unavailable`
    pub async fn open() -> Result<Self> {
        let instance = instance();
        let adapter = request_adapter(&instance).await?;
        let limits = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("tabmind"),
            required_limits: limits.clone(),
            required_features: Abilities::wanted(&adapter),
            ..Default::default()
        };
        let (wgpu, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| unavailable(format!("the WebGPU adapter gives no device: {error}")))?;
        let abilities = Abilities::of(&instance, &adapter, &wgpu);
        let fault = Arc::new(Mutex::new(None));
        let keep = |fault: &Arc<Mutex<Option<Error>>>| {
            let fault = Arc::clone(fault);
            move |error: Error| {
                // The first one is the cause; what follows are consequences.
                fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        };
        let on_error = keep(&fault);
        wgpu.on_uncaptured_error(Arc::new(move |error| on_error(of_wgpu(&error))));
        let on_lost = keep(&fault);
        wgpu.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed || !message.is_empty() {
                on_lost(lost(&message));
            }
        });
        let adapter = Adapter::of(&adapter.get_info(), abilities::told(&wgpu));
        Ok(Self {
            wgpu,
            queue,
            adapter,
            abilities,
            limits,
            fault,
            waiting: 0,
            allocated: 0.into(),
            created: 0.into(),
        })
    }

    /// Bytes that a kernel can be given as one buffer.
    pub fn binding_bytes(&self) -> usize {
        let limit = self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size);
        usize::try_from(limit).unwrap_or(usize::MAX) & !255
    }

    /// Bytes of all buffers so far.
    pub fn allocated(&self) -> usize {
        self.allocated.get()
    }

    /// Buffers, bind groups and pipelines made so far.
    pub fn created(&self) -> usize {
        self.created.get()
    }

    /// Notes that one more was made.
    pub fn count_created(&self) {
        self.created.set(self.created.get() + 1);
    }

    /// `out_of_memory` unless `count`, how many times `bytes` fit into a binding, is at least one.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn check_fits(&self, count: usize, bytes: usize) -> Result<()> {
        if count == 0 {
            bail!(OutOfMemory, "the GPU binds {} bytes at once, {bytes} are needed", self.binding_bytes());
        }
        Ok(())
    }

    /// That `count` workgroups in one dimension of a dispatch are allowed.
    ///
    /// # Errors
    /// `webgpu_unavailable`
    pub fn check_workgroups(&self, label: &str, count: usize) -> Result<()> {
        let most = self.limits.max_compute_workgroups_per_dimension;
        if count > most as usize {
            return Err(unavailable(format!(
                "the kernel {label} needs {count} workgroups, the GPU allows {most}"
            )));
        }
        Ok(())
    }

    /// A zeroed storage buffer.
    pub fn buffer(&self, label: &str, bytes: usize) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        self.buffer_for(label, bytes, usage)
    }

    /// A zeroed buffer for `usage`.
    pub fn buffer_for(&self, label: &str, bytes: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let size = bytes.next_multiple_of(16).max(16);
        self.allocated.set(self.allocated.get() + size);
        self.count_created();
        self.wgpu.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: size as u64,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Frees a buffer at once, not when the last reference is collected.
    pub fn free(&self, buffer: &wgpu::Buffer) {
        self.allocated.set(self.allocated.get().saturating_sub(usize::try_from(buffer.size()).unwrap_or(0)));
        buffer.destroy();
    }

    /// Writes `bytes`, a multiple of four, and lets the GPU take them in now and then, so that few wait in memory.
    pub fn write(&mut self, buffer: &wgpu::Buffer, offset: usize, bytes: &[u8]) {
        self.queue.write_buffer(buffer, offset as u64, bytes);
        self.waiting += bytes.len();
        if self.waiting >= UPLOAD_BYTES {
            self.queue.submit([]);
            self.waiting = 0;
        }
    }

    /// Makes something that there may be no memory for: its failure is told to the caller, and to nobody else afterwards.
    ///
    /// # Errors
    /// What `make` fails with; as [`check`](Self::check).
    pub async fn attempt(&self, make: impl FnOnce() -> Result<()>) -> Result<()> {
        // What is made of memory that was not to be had is not valid.
        let memory = self.wgpu.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let consequences = self.wgpu.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let (consequences, memory) = (consequences.pop(), memory.pop());
        let failed = memory.await.or(consequences.await);
        made?;
        failed.map_or_else(|| self.check(), |error| Err(of_wgpu(&error)))
    }

    /// What the device failed with since it was opened.
    ///
    /// # Errors
    /// `device_lost`, `out_of_memory`, `self_test_failed` for a kernel that the driver refuses
    pub fn check(&self) -> Result<()> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl Drop for Device {
    /// Gives all memory back at once: a browser would keep it until it collects garbage, which may be never. Nobody is left who
    /// could take that for a loss.
    fn drop(&mut self) {
        self.wgpu.destroy();
    }
}

/// The error of a GPU that is gone.
pub fn lost(message: &str) -> Error {
    Error::new(ErrorKind::DeviceLost, format!("the GPU is gone: {message}"))
        .with_hint("Load the model again; with backend: \"cpu\" it needs no GPU.")
}

fn of_wgpu(error: &wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { .. } => Error::new(ErrorKind::OutOfMemory, "the GPU has no memory left")
            .with_hint("Choose a smaller model or quantization, or a shorter context."),
        wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => {
            Error::new(ErrorKind::SelfTestFailed, format!("the GPU's driver refuses a kernel: {error}"))
                .with_hint("Load the model with backend: \"cpu\".")
        }
    }
}
