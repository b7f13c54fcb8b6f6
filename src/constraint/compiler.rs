//! From what was asked for to a constraint.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::{Matcher, ParserFactory, TokenParser};
use serde_json::{Value, json};
use web_time::Instant;

use super::schema::OneOf;
use super::{
    Blame, Constraint, ConstraintSource, ConstraintTimings, limits, milliseconds, schema, vocabulary,
};
use crate::error::{ErrorKind, Result};
use crate::tokenizer::Tokenizer;

/// Constraints that are kept for the next call, which often asks for the same.
const KEPT: usize = 4;

/// Compiles the constraints of one model.
pub struct Compiler {
    tokenizer: Arc<Tokenizer>,
    /// Made when the first constraint is asked for: many models never see one.
    factory: OnceCell<ParserFactory>,
    /// The last few, most recent first, none of them begun; each with its source as it is written, for the order of
    /// properties counts and equality of schemas does not see it.
    kept: RefCell<VecDeque<(String, Constraint)>>,
}

impl Compiler {
    /// A compiler for the model with this vocabulary.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, factory: OnceCell::new(), kept: RefCell::default() }
    }

    /// Compiles `source`, which the caller gave as `field`: errors name it. Fast if it was asked for before.
    ///
    /// # Errors
    /// `unsupported_schema`, with keyword and JSON pointer, for a schema that cannot be enforced, contradicts itself
    /// or is too much; `invalid_request` for an expression or a grammar that cannot be read or is too much.
    pub fn compile(&self, source: &ConstraintSource, field: &str) -> Result<Constraint> {
        let begun = Instant::now();
        let mut constraint = match self.recall(source) {
            Some(kept) => kept?,
            None => self.compile_anew(source, field)?,
        };
        constraint.blame.field = field.to_owned();
        constraint.timings.compile_ms = milliseconds(begun);
        Ok(constraint)
    }

    fn recall(&self, source: &ConstraintSource) -> Option<Result<Constraint>> {
        let mut kept = self.kept.borrow_mut();
        let written = format!("{source:?}");
        let at = kept.iter().position(|(known, _)| *known == written)?;
        let found = kept.remove(at)?;
        let constraint = found.1.restarted();
        kept.push_front(found);
        Some(constraint)
    }

    fn compile_anew(&self, source: &ConstraintSource, field: &str) -> Result<Constraint> {
        let kind = match source {
            ConstraintSource::JsonObject | ConstraintSource::JsonSchema(_) => ErrorKind::UnsupportedSchema,
            ConstraintSource::Regex(_) | ConstraintSource::Lark(_) => ErrorKind::InvalidRequest,
        };
        let blame = Blame { kind, field: field.to_owned() };
        let parser = match source {
            ConstraintSource::JsonObject => self.lowered(&json!({ "type": "object" }), &blame)?.1,
            ConstraintSource::JsonSchema(schema) => self.lowered(schema, &blame)?.1,
            ConstraintSource::Regex(regex) => {
                check_size(regex, &blame)?;
                self.parser(GrammarWithLexer::from_regex(regex), &blame)?
            }
            ConstraintSource::Lark(grammar) => {
                check_size(grammar, &blame)?;
                self.parser(GrammarWithLexer::from_lark(grammar.clone()), &blame)?
            }
        };
        let mut constraint = Constraint {
            matcher: Matcher::new(Ok(parser)),
            blame,
            eog: Rc::from(self.tokenizer.eog()),
            timings: ConstraintTimings::default(),
        };
        // What accepts nothing at all is found out now; and the first mask is computed.
        constraint.matcher.compute_mask_or_eos().map_err(|error| constraint.blame.error(error))?;
        let mut kept = self.kept.borrow_mut();
        kept.push_front((format!("{source:?}"), constraint.restarted()?));
        kept.truncate(KEPT);
        Ok(constraint)
    }

    /// A schema as `%json` in a grammar takes it, which is the only way for one to get there: it is enforced as
    /// [`ConstraintSource::JsonSchema`] is, or refused.
    ///
    /// # Errors
    /// As [`Self::compile`], for a schema that the caller gave as `field`.
    pub fn lower(&self, schema: &Value, field: &str) -> Result<Value> {
        let blame = Blame { kind: ErrorKind::UnsupportedSchema, field: field.to_owned() };
        Ok(self.lowered(schema, &blame)?.0)
    }

    /// The schema that the library gets, and what it makes of it. `oneOf`s are left to the library first, which makes
    /// smaller grammars of those that it sees to be disjoint, and multiplied out here if it does not.
    fn lowered(&self, schema: &Value, blame: &Blame) -> Result<(Value, TokenParser)> {
        check_size(&schema.to_string(), blame)?;
        let compile = |one_of| -> Result<(Value, TokenParser)> {
            let lowered = schema::lower(schema, &blame.field, one_of)?;
            let parser = self.parser(GrammarWithLexer::from_json_schema(lowered.clone()), blame)?;
            Ok((lowered, parser))
        };
        match compile(OneOf::Disjoint) {
            Err(error) if error.detail().contains(schema::NOT_DISJOINT) => compile(OneOf::Negated),
            done => done,
        }
    }

    fn parser(&self, grammar: GrammarWithLexer, blame: &Blame) -> Result<TokenParser> {
        let grammar = TopLevelGrammar::from_grammar(grammar);
        self.factory()?.create_parser(grammar).map_err(|error| blame.error(error))
    }

    fn factory(&self) -> Result<&ParserFactory> {
        if let Some(factory) = self.factory.get() {
            return Ok(factory);
        }
        let factory = vocabulary::factory(Arc::clone(&self.tokenizer))?;
        Ok(self.factory.get_or_init(|| factory))
    }
}

fn check_size(source: &str, blame: &Blame) -> Result<()> {
    if source.len() > limits::MAX_SOURCE_BYTES {
        return Err(blame.error(format!(
            "{} bytes are too many; {} are allowed",
            source.len(),
            limits::MAX_SOURCE_BYTES
        )));
    }
    Ok(())
}
