//! What becomes of a device's memory and faults. A second handle of the device does to it what a driver may.

#[path = "../../../tests/common/gguf.rs"]
mod gguf;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pollster::block_on;

use super::*;
use crate::cancel::Cancel;
use crate::error::ErrorKind;
use crate::files::ModelFiles;
use crate::network::{Blueprint, Executor, Network};
use crate::recording::CacheShape;
use crate::source::{MemorySource, Source};
use crate::spec::Spec;

/// A GPU and the second handle, where there is one.
fn gpu() -> Option<(Gpu, wgpu::Device)> {
    let gpu = block_on(Gpu::open()).ok()?;
    let handle = gpu.device.wgpu.clone();
    Some((gpu, handle))
}

/// An engine that does nothing, whose sequences have caches of these widths.
fn engine(gpu: Gpu, widths: &[usize]) -> GpuEngine {
    let caches = widths.iter().map(|&width| CacheShape { heads: 1, key_width: width, value_width: width });
    let recording = Recording { caches: caches.collect(), ..Recording::default() };
    GpuEngine::new(gpu, recording, &Plan::default(), 8).unwrap()
}

/// Lets the device fail at something, long after it was asked for all that is needed.
fn fail(handle: &wgpu::Device) {
    let size = handle.limits().max_buffer_size + 16;
    let usage = wgpu::BufferUsages::STORAGE;
    drop(handle.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage,
        mapped_at_creation: false,
    }));
}

#[test]
fn a_device_that_is_let_go_gives_its_memory_back() {
    let Some((gpu, handle)) = gpu() else { return };
    // Without a queue a device that is gone does not tell.
    let _queue = gpu.device.queue.clone();
    let is_gone = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_gone);
    handle.set_device_lost_callback(move |_, _| noted.store(true, Ordering::Relaxed));
    let is_gone = || {
        // A device that is gone cannot be polled.
        let _ = handle.poll(wgpu::PollType::wait_indefinitely());
        is_gone.load(Ordering::Relaxed)
    };
    let gpu = engine(gpu, &[4]).dismantle();
    assert!(!is_gone(), "another engine may have it");
    drop(engine(gpu, &[4]));
    assert!(is_gone());
}

#[test]
fn an_engine_that_is_retuned_holds_what_it_held() {
    let Some((gpu, _)) = gpu() else { return };
    let (tunings, default) = (gpu.tunings(), gpu.tuning());
    let mut engine = engine(gpu, &[4]);
    let before = engine.allocated_bytes();
    for tuning in tunings.into_iter().chain([default]) {
        engine.retune(tuning).unwrap();
        assert_eq!(engine.tuning(), tuning);
    }
    assert_eq!(engine.allocated_bytes(), before);
    assert_eq!(engine.dismantle().device.allocated(), 0);
}

#[test]
fn what_an_attempt_fails_with_is_forgotten() {
    let Some((gpu, handle)) = gpu() else { return };
    let attempt = gpu.device.attempt(|| {
        fail(&handle);
        Ok(())
    });
    assert_eq!(block_on(attempt).unwrap_err().kind(), ErrorKind::SelfTestFailed);
    gpu.device.check().unwrap();
    fail(&handle);
    gpu.device.check().unwrap_err();
}

#[test]
fn a_sequence_that_cannot_be_had_leaves_nothing_behind() {
    let Some((gpu, handle)) = gpu() else { return };
    let mut engine = engine(gpu, &[4, 1 << 40]);
    let before = engine.allocated_bytes();
    assert_eq!(block_on(engine.open(1)).unwrap_err().kind(), ErrorKind::OutOfMemory);
    assert_eq!(engine.allocated_bytes(), before, "the first cache is freed");
    engine.recording.caches.pop();
    fail(&handle);
    block_on(engine.open(1)).unwrap_err();
    assert_eq!(engine.allocated_bytes(), before, "what a device that failed gave is freed");
}

#[test]
fn warming_up_tells_what_the_device_failed_with() {
    let Some((gpu, handle)) = gpu() else { return };
    let parts: Vec<Box<dyn Source>> = vec![Box::new(MemorySource::new(gguf::byte_model().build()))];
    let table = block_on(ModelFiles::read(&parts)).unwrap().table;
    let spec = Spec::read(&table).unwrap();
    let blueprint = block_on(Blueprint::draw(spec, &table, &parts, Some(64))).unwrap();
    let (gpu, cancel) = (Executor::Gpu(Box::new(gpu)), Cancel::never());
    let network = block_on(Network::build(blueprint, &table, &parts, gpu, &cancel, &mut |_| {}));
    let mut network = network.unwrap();
    block_on(network.warm_up()).unwrap();
    fail(&handle);
    assert_eq!(block_on(network.warm_up()).unwrap_err().kind(), ErrorKind::SelfTestFailed);
}
