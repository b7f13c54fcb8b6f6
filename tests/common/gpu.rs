//! Whether there is a GPU, or a driver that does as if.

use pollster::block_on;
use tabmind::engine::Adapter;

/// Whether Vulkan works; if not, a line says that the test is skipped.
pub fn is_there() -> bool {
    match block_on(Adapter::find()) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: no Vulkan driver: {error}");
            false
        }
    }
}
