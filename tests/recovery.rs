//! The way back from a lost GPU.

#[path = "common/gguf.rs"]
mod gguf;
#[path = "common/gpu.rs"]
mod gpu;

use pollster::block_on;
use tabmind::Result;
use tabmind::cancel::Cancel;
use tabmind::engine::Gpu;
use tabmind::files::ModelFiles;
use tabmind::network::{Blueprint, Executor, Network};
use tabmind::prefix_cache::PrefixCache;
use tabmind::recovery::Recovery;
use tabmind::source::{MemorySource, Source};
use tabmind::spec::Spec;

fn parts() -> Vec<Box<dyn Source>> {
    vec![Box::new(MemorySource::new(gguf::byte_model().build()))]
}

/// A network on `gpu`, and what would bring it back.
fn network(gpu: Gpu) -> (Network, Recovery) {
    let parts = parts();
    let table = block_on(ModelFiles::read(&parts)).unwrap().table;
    let spec = Spec::read(&table).unwrap();
    let blueprint = block_on(Blueprint::draw(spec, &table, &parts, Some(64))).unwrap();
    let mut recovery = Recovery::new(blueprint.clone(), true);
    recovery.set_origin(Box::new(|| Box::pin(std::future::ready(Ok(self::parts())))), None);
    let (gpu, cancel) = (Executor::Gpu(Box::new(gpu)), Cancel::never());
    let network = block_on(Network::build(blueprint, &table, &parts, gpu, &cancel, &mut |_| {}));
    (network.unwrap(), recovery)
}

fn revive(network: &mut Network, recovery: &mut Recovery) -> Result<()> {
    let mut cache = PrefixCache::open(network)?;
    block_on(recovery.revive(network, &mut cache, &Cancel::never()))
}

#[test]
fn the_new_gpu_computes_as_the_lost_one_did() {
    if !gpu::is_there() {
        return;
    }
    let mut gpu = block_on(Gpu::open()).unwrap();
    let tuning = gpu.tunings().into_iter().find(|&other| other != gpu.tuning()).unwrap();
    gpu.tune(tuning);
    let (mut network, mut recovery) = network(gpu);
    revive(&mut network, &mut recovery).unwrap();
    assert!(network.adapter().is_some(), "it is on the GPU again");
    assert_eq!(network.tuning(), Some(tuning));
}
