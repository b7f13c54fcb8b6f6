//! What the next token may be: the form of a whole answer, or of the calls that a model has begun.

use crate::chat::calls::AnswerParser;
use crate::constraint::{Constraint, ConstraintTimings};
use crate::error::Result;
use crate::tokenizer::Tokenizer;

/// The constraints of one request, compiled and not begun.
#[derive(Default)]
pub struct Constraints {
    /// Of the whole answer, once the model has thought.
    pub whole: Option<Constraint>,
    /// Of calls, behind the text that opens them.
    pub calls: Option<Constraint>,
    /// Whether the answer goes on after calls.
    pub parallel: bool,
}

/// Follows one answer.
pub(super) struct Guide {
    /// What has not begun yet.
    waiting: Constraints,
    active: Active,
    /// Sections of calls that have been looked after.
    sections: usize,
    spent: ConstraintTimings,
}

enum Active {
    Nothing,
    Whole(Constraint),
    Calls(Constraint),
}

impl Active {
    fn constraint(&mut self) -> Option<&mut Constraint> {
        match self {
            Active::Nothing => None,
            Active::Whole(constraint) | Active::Calls(constraint) => Some(constraint),
        }
    }
}

impl Guide {
    /// Begins an answer.
    pub(super) fn new(constraints: &Constraints) -> Result<Self> {
        let anew =
            |constraint: &Option<Constraint>| constraint.as_ref().map(Constraint::restarted).transpose();
        let waiting = Constraints {
            whole: anew(&constraints.whole)?,
            calls: anew(&constraints.calls)?,
            parallel: constraints.parallel,
        };
        Ok(Self { waiting, active: Active::Nothing, sections: 0, spent: ConstraintTimings::default() })
    }

    /// Whether some tokens must not follow.
    pub(super) fn restricts(&self) -> bool {
        !matches!(self.active, Active::Nothing)
    }

    /// Strikes out what must not follow.
    pub(super) fn restrict(&mut self, logits: &mut [f32], may_end: bool) -> Result<()> {
        self.active.constraint().map_or(Ok(()), |constraint| constraint.restrict(logits, may_end))
    }

    /// Whether anything is asked of the answer as a whole: then only it says where the answer may end.
    pub(super) fn governs_the_end(&self) -> bool {
        matches!(self.active, Active::Whole(_))
    }

    /// Takes note of a token that was drawn.
    pub(super) fn commit(&mut self, id: u32) -> Result<()> {
        self.active.constraint().map_or(Ok(()), |constraint| constraint.commit(id))
    }

    /// Tokens that must follow.
    pub(super) fn forced(&mut self) -> Result<Vec<u32>> {
        self.active.constraint().map_or(Ok(Vec::new()), Constraint::forced)
    }

    /// Whether nothing can follow.
    pub(super) fn is_complete(&self) -> bool {
        matches!(&self.active, Active::Whole(constraint) if constraint.is_complete())
    }

    /// Looks where the answer has come to, and takes up or lets go of a constraint; true if the answer is over.
    pub(super) fn follow(
        &mut self,
        parser: Option<&AnswerParser<'_>>,
        tokenizer: &Tokenizer,
    ) -> Result<bool> {
        let section = parser.and_then(AnswerParser::section);
        match &self.active {
            Active::Nothing => {}
            Active::Whole(_) => return Ok(false),
            Active::Calls(constraint) => {
                if section.is_some() && !constraint.is_complete() {
                    return Ok(false);
                }
                self.spent.add(&constraint.timings());
                self.active = Active::Nothing;
                return Ok(!self.waiting.parallel);
            }
        }
        if !parser.is_some_and(AnswerParser::is_reasoning)
            && let Some(whole) = self.waiting.whole.take()
        {
            self.active = Active::Whole(whole);
            return Ok(false);
        }
        let Some((count, begun)) = section.filter(|(count, _)| *count > self.sections) else {
            return Ok(false);
        };
        self.sections = count;
        let Some(mut calls) = self.waiting.calls.as_ref().map(Constraint::restarted).transpose()? else {
            return Ok(false);
        };
        // The token that opened the section may have said more than that.
        let said = tokenizer.encode_continuing(begun)?;
        if said.iter().try_for_each(|&id| calls.commit(id)).is_ok() {
            self.active = Active::Calls(calls);
        }
        Ok(false)
    }

    /// What the constraints have cost.
    pub(super) fn timings(&self) -> ConstraintTimings {
        let mut sum = self.spent;
        if let Active::Whole(constraint) | Active::Calls(constraint) = &self.active {
            sum.add(&constraint.timings());
        }
        sum
    }
}
