//! The way back from a lost GPU: the model is read again from where it came from, into a new engine. What the lost one
//! knew of a conversation is run again by whoever was running it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use web_time::Instant;

use crate::cancel::Cancel;
use crate::engine::Tuning;
use crate::error::{Error, ErrorKind, Result};
use crate::files::ModelFiles;
use crate::info::Info;
use crate::network::{Backend, Blueprint, Executor, Network};
use crate::prefix_cache::PrefixCache;
use crate::source::{HashingSource, LocalFuture, Source};

/// Opens a model's files once more.
pub type Origin = Box<dyn Fn() -> LocalFuture<'static, Result<Vec<Box<dyn Source>>>>>;

/// A GPU that is lost twice within this time is not worth a third try.
const GRACE: Duration = Duration::from_secs(60);

/// What it takes to come back.
pub struct Recovery {
    blueprint: Blueprint,
    origin: Option<Origin>,
    /// The file's SHA-256, where it is known, and what runs the model.
    info: Option<Rc<RefCell<Info>>>,
    /// Whether the CPU may go on where the GPU cannot be had.
    may_fall_back: bool,
    lost_at: Option<Instant>,
    losses: usize,
}

impl Recovery {
    /// For a network that was built from `blueprint`, on the GPU.
    pub fn new(blueprint: Blueprint, may_fall_back: bool) -> Self {
        Self { blueprint, origin: None, info: None, may_fall_back, lost_at: None, losses: 0 }
    }

    /// Says where the model came from, and who is to be told if something else runs it from then on.
    pub fn set_origin(&mut self, origin: Origin, info: Rc<RefCell<Info>>) {
        self.origin = Some(origin);
        self.info = Some(info);
    }

    /// How often the GPU was lost.
    pub fn losses(&self) -> usize {
        self.losses
    }

    /// Whether `error` is one that [`revive`](Self::revive) may undo.
    pub fn applies_to(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::DeviceLost && self.origin.is_some()
    }

    /// Revives a network whose GPU was lost while nobody looked.
    ///
    /// # Errors
    /// As [`revive`](Self::revive).
    pub async fn ensure(
        &mut self,
        network: &mut Network,
        cache: &mut PrefixCache,
        cancel: &Cancel,
    ) -> Result<()> {
        match network.check_device() {
            Err(error) if self.applies_to(&error) => self.revive(network, cache, cancel).await,
            outcome => outcome,
        }
    }

    /// Builds `network` anew, on the GPU or, if that was lost a short while ago or cannot be had again, on the CPU.
    /// `cache` holds nothing afterwards.
    ///
    /// # Errors
    /// `device_lost` where the model cannot be read again or the GPU goes once more; `aborted`, `out_of_memory`,
    /// `webgpu_unavailable`. The next call may try again.
    pub async fn revive(
        &mut self,
        network: &mut Network,
        cache: &mut PrefixCache,
        cancel: &Cancel,
    ) -> Result<()> {
        self.losses += 1;
        let is_recent = self.lost_at.replace(Instant::now()).is_some_and(|at| at.elapsed() < GRACE);
        let tuning = network.tuning();
        let mut reason = (is_recent && self.may_fall_back)
            .then(|| format!("the GPU was lost twice within {} seconds", GRACE.as_secs()));
        if reason.is_none() {
            match self.build(Backend::Gpu, tuning, cancel).await {
                Err(error) if self.may_fall_back && error.is_of_the_gpu() => {
                    reason = Some(format!("the GPU was lost and cannot be had again: {}", error.detail()));
                }
                built => *network = built?,
            }
        }
        if let Some(reason) = reason {
            *network = self.build(Backend::Cpu, None, cancel).await?;
            if let Some(info) = &self.info {
                info.borrow_mut().note_engine(network, Backend::Cpu, &reason);
            }
        }
        cache.reset(network).await
    }

    /// A GPU computes as the lost one did: not in a way that was found to be wrong, or slow.
    async fn build(&self, backend: Backend, tuning: Option<Tuning>, cancel: &Cancel) -> Result<Network> {
        let parts = self.open().await.map_err(|error| unreadable(&error))?;
        let sha256 = self.info.as_ref().and_then(|info| info.borrow().sha256.clone());
        let hashing = parts.into_iter().map(|part| HashingSource::new(part, sha256.clone()).map(Rc::new));
        let hashing = hashing.collect::<Result<Vec<_>>>()?;
        let parts: Vec<_> =
            hashing.iter().map(|source| Box::new(Rc::clone(source)) as Box<dyn Source>).collect();
        let table = ModelFiles::read(&parts).await.map_err(|error| unreadable(&error))?.table;
        let blueprint = self.blueprint.clone();
        let mut executor = Executor::open(backend).await?;
        // It may be another GPU, which can do less.
        if let (Executor::Gpu(gpu), Some(tuning)) = (&mut executor, tuning)
            && gpu.can(tuning)
        {
            gpu.tune(tuning);
        }
        let network = Network::build(blueprint, &table, &parts, executor, cancel, &mut |_| {}).await?;
        for source in hashing {
            source.finish().await.map_err(|error| unreadable(&error))?;
        }
        Ok(network)
    }

    async fn open(&self) -> Result<Vec<Box<dyn Source>>> {
        match &self.origin {
            Some(origin) => origin().await,
            None => Err(Error::new(ErrorKind::DeviceLost, "nobody said where it came from")),
        }
    }
}

fn unreadable(error: &Error) -> Error {
    if error.kind() == ErrorKind::Aborted {
        return error.clone();
    }
    let detail = format!("the GPU is gone, and the model cannot be read again: {}", error.detail());
    Error::new(ErrorKind::DeviceLost, detail).with_hint("Load the model again.")
}
