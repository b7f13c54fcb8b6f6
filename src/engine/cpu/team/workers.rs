//! Members are Web Workers that share this module's memory. The engine's worker starts them before a model is
//! loaded; each calls [`serve`], which does not return. In a build without shared memory there are none.

use std::hint::spin_loop;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use web_time::Instant;

use super::Shared;

/// One instance of the module runs one model, and so has one team.
static TEAM: OnceLock<Arc<Shared>> = OnceLock::new();

/// Workers end with the page's engine.
pub struct Members;

/// The workers that were started, `count` of them.
pub fn gather(count: usize) -> (Arc<Shared>, Members) {
    let shared = Arc::clone(TEAM.get_or_init(Arc::default));
    let count = if cfg!(target_feature = "atomics") { count } else { 0 };
    // Each has said that it is about to join, so this takes no time; one that dies meanwhile must not hold us up.
    let patience = Instant::now();
    while shared.members() < count && patience.elapsed() < Duration::from_secs(1) {
        spin_loop();
    }
    (shared, Members)
}

/// Joins the team, for good.
pub fn serve() {
    TEAM.get_or_init(Arc::default).serve();
}
