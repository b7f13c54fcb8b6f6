//! What a constraint may cost. Schemas, expressions and grammars come from anywhere: each that is too much is an
//! error, and the engine goes on.

use llguidance::api::ParserLimits;

/// Bytes of a schema, an expression or a grammar: twice the largest schema of SchemaStore that is not generated.
pub(super) const MAX_SOURCE_BYTES: usize = 1 << 20;

/// Limits of the library. Fuel is its unit of work: about 50,000 units are a millisecond natively.
pub(super) fn parser() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 2_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        // 1 to 2 kB each, in a memory of 4 GB that holds the model too.
        max_lexer_states: 50_000,
        max_grammar_size: 300_000,
        // Messages are for the caller: a dump of the parser's state is not.
        verbose_errors: false,
        ..ParserLimits::default()
    }
}
