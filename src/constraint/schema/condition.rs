//! Conditions, written as alternatives: `if` A `then` B is (A and B) or not A.

use serde_json::{Value, json};

use super::lowering::{Here, Lowering, Output, step};
use crate::error::Result;

impl<'s> Lowering<'s> {
    pub(super) fn conditions(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        if let Some(schema) = here.keywords.get("not") {
            let negation = self.negation(schema, here.scope, &step(here.at, "not"), "not")?;
            out.also.push(negation);
        }
        self.if_then_else(here, out)?;
        for (name, names) in self.members("dependentRequired", here)? {
            let required = self.strings_of("dependentRequired", names, here)?;
            out.also.push(needs(name, json!({ "required": required })));
        }
        for (name, schema) in self.members("dependentSchemas", here)? {
            let lowered = self.schema(schema, here.scope, &step(&step(here.at, "dependentSchemas"), name))?;
            out.also.push(needs(name, lowered));
        }
        for (name, dependency) in self.members("dependencies", here)? {
            let lowered = match dependency {
                Value::Array(_) => json!({ "required": self.strings_of("dependencies", dependency, here)? }),
                schema => self.schema(schema, here.scope, &step(&step(here.at, "dependencies"), name))?,
            };
            out.also.push(needs(name, lowered));
        }
        Ok(())
    }

    fn if_then_else(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        let Some(condition) = here.keywords.get("if") else { return Ok(()) };
        let (then, otherwise) = (here.keywords.get("then"), here.keywords.get("else"));
        if then.is_none() && otherwise.is_none() {
            return Ok(());
        }
        let at = step(here.at, "if");
        let holds = self.schema(condition, here.scope, &at)?;
        let fails = self.negation(condition, here.scope, &at, "if")?;
        let mut branch = |condition: Value, keyword: &str, schema: Option<&'s Value>| match schema {
            None => Ok(condition),
            Some(schema) => {
                let lowered = self.schema(schema, here.scope, &step(here.at, keyword))?;
                Ok(json!({ "allOf": [condition, lowered] }))
            }
        };
        let branches = [branch(holds, "then", then)?, branch(fails, "else", otherwise)?];
        out.also.push(json!({ "anyOf": branches }));
        Ok(())
    }
}

/// Objects without the property `name`, or with it and fit for `schema`. Other values are left alone.
fn needs(name: &str, schema: Value) -> Value {
    let absent = json!({ "properties": { name: false } });
    let present = json!({ "required": [name] });
    json!({ "anyOf": [absent, { "allOf": [present, schema] }] })
}
