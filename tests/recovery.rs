//! The way back from a lost GPU.

#[path = "common/gguf.rs"]
mod gguf;
#[path = "common/gpu.rs"]
mod gpu;

use std::cell::RefCell;
use std::rc::Rc;

use pollster::block_on;
use tabmind::cancel::Cancel;
use tabmind::engine::Gpu;
use tabmind::files::ModelFiles;
use tabmind::info::Info;
use tabmind::network::{Blueprint, Executor, Network};
use tabmind::prefix_cache::PrefixCache;
use tabmind::recovery::Recovery;
use tabmind::request::parse;
use tabmind::source::{LocalFuture, MemorySource, Source};
use tabmind::spec::Spec;
use tabmind::{Model, Result};

fn parts() -> Vec<Box<dyn Source>> {
    vec![Box::new(MemorySource::new(gguf::byte_model().build()))]
}

/// A network on `gpu`, what would bring it back, and what is told of it.
fn network(gpu: Gpu) -> (Network, Recovery, Rc<RefCell<Info>>) {
    let parts = parts();
    let table = block_on(ModelFiles::read(&parts)).unwrap().table;
    let spec = Spec::read(&table).unwrap();
    let blueprint = block_on(Blueprint::draw(spec, &table, &parts, Some(64))).unwrap();
    let mut recovery = Recovery::new(blueprint.clone(), true);
    let options = parse(r#"{ "backend": "cpu" }"#).unwrap();
    let model = block_on(Model::load(self::parts(), &options, &Cancel::never(), &mut |_| {})).unwrap();
    let adapter = Some(gpu.adapter().name.clone());
    let info = Info { backend: "webgpu".into(), backend_reason: "asked for".into(), adapter, ..model.info() };
    let info = Rc::new(RefCell::new(info));
    let origin = Box::new(|| Box::pin(std::future::ready(Ok(self::parts()))) as LocalFuture<'static, _>);
    recovery.set_origin(origin, Rc::clone(&info));
    let (gpu, cancel) = (Executor::Gpu(Box::new(gpu)), Cancel::never());
    let network = block_on(Network::build(blueprint, &table, &parts, gpu, &cancel, &mut |_| {}));
    (network.unwrap(), recovery, info)
}

fn revive(network: &mut Network, recovery: &mut Recovery) -> Result<()> {
    let mut cache = block_on(PrefixCache::open(network))?;
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
    let (mut network, mut recovery, info) = network(gpu);
    let loaded = info.borrow().clone();
    revive(&mut network, &mut recovery).unwrap();
    assert!(network.adapter().is_some(), "it is on the GPU again");
    assert_eq!(network.tuning(), Some(tuning));
    assert_eq!(*info.borrow(), loaded);
}

#[test]
fn who_is_told_of_the_gpu_is_told_of_the_cpu_that_takes_its_place() {
    if !gpu::is_there() {
        return;
    }
    let (mut network, mut recovery, info) = network(block_on(Gpu::open()).unwrap());
    let loaded = info.borrow().clone();
    revive(&mut network, &mut recovery).unwrap();
    revive(&mut network, &mut recovery).unwrap();
    assert_eq!(network.adapter(), None);
    let backend_reason = "the GPU was lost twice within 60 seconds".into();
    assert_eq!(*info.borrow(), Info { backend: "cpu".into(), backend_reason, adapter: None, ..loaded });
}
