//! What models write besides plain answers, taken apart while it streams: reasoning, and calls of tools.

mod format;
mod grammar;
mod literal;
mod parser;
mod scan;
mod section;
mod write;

pub use format::{Body, CALL_FORMATS, CallFormat, REASONING, ReasoningFormat, of_template};
pub use grammar::Grammar;
pub use parser::{AnswerParser, Part};
pub use scan::CallPart;
pub use write::write;
