//! A flag that the caller raises and every long loop looks at.

use std::rc::Rc;

use crate::error::{Error, Result};

/// Whether the caller has aborted. Cheap to clone.
#[derive(Clone)]
pub struct Cancel(Rc<dyn Fn() -> bool>);

impl Cancel {
    /// A flag that is read by calling `is_raised`.
    pub fn new(is_raised: impl Fn() -> bool + 'static) -> Self {
        Self(Rc::new(is_raised))
    }

    /// A flag that is never raised.
    pub fn never() -> Self {
        Self::new(|| false)
    }

    /// Fails once the caller has aborted.
    ///
    /// # Errors
    /// `aborted`
    pub fn check(&self) -> Result<()> {
        if (self.0)() { Err(Error::aborted()) } else { Ok(()) }
    }
}
