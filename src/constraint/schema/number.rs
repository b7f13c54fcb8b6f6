//! Numbers, where the library computes exactly: it works in 64-bit floats and integers, and multiples in 32 bits.

use serde_json::Value;

use super::lowering::{Here, Lowering, Output};
use super::pattern::is_unwritable;
use crate::error::Result;

/// 2⁵³: up to here every integer is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;
const EXACT_INTEGER: u64 = 1 << 53;
/// `multipleOf` is counted in units of 10⁻⁴.
const UNITS: f64 = 1e4;
/// The library multiplies two multiples in 32 bits.
const MAX_MULTIPLE: u64 = 65_535;
/// Digits of a bound: the library writes an expression for each.
const MAX_DIGITS: usize = 32;

impl<'s> Lowering<'s> {
    pub(super) fn numbers(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        for (keyword, exclusive, is_lower) in
            [("minimum", "exclusiveMinimum", true), ("maximum", "exclusiveMaximum", false)]
        {
            let bound = self.bound(keyword, is_lower, here)?;
            // Draft 4 has a flag beside the bound.
            let flag = here.keywords.get(exclusive).and_then(Value::as_bool);
            if let Some(bound) = bound {
                out.set(if flag == Some(true) { exclusive } else { keyword }, bound);
            }
            if flag.is_none()
                && let Some(bound) = self.bound(exclusive, is_lower, here)?
            {
                let is_clamped = bound.as_f64().is_some_and(|bound| bound.abs() >= EXACT);
                out.set(if is_clamped { keyword } else { exclusive }, bound);
            }
        }
        self.multiple_of(here, out)
    }

    /// A bound of either kind. Beyond 2⁵³ a wider one becomes 2⁵³, for the library does not tell integers apart
    /// there: fewer values than the schema allows, but none that it does not.
    fn bound(&self, keyword: &str, is_lower: bool, here: Here<'s, '_>) -> Result<Option<Value>> {
        let Some(value) = here.keywords.get(keyword) else { return Ok(None) };
        let Some(bound) = value.as_f64() else {
            return Err(self.invalid(keyword, here.at, "a number", value));
        };
        if bound.abs() < EXACT {
            if bound.to_string().len() > MAX_DIGITS {
                return Err(self.unsupported(keyword, here.at, "it has too many digits"));
            }
            return Ok(Some(value.clone()));
        }
        match is_lower == (bound < 0.0) {
            true => Ok(Some(EXACT.copysign(bound).into())),
            false => Err(self.unsupported(keyword, here.at, "it is beyond the integers that are exact")),
        }
    }

    fn multiple_of(&mut self, here: Here<'s, '_>, out: &mut Output) -> Result<()> {
        let Some(value) = here.keywords.get("multipleOf") else { return Ok(()) };
        let Some(step) = value.as_f64().filter(|step| *step > 0.0) else {
            return Err(self.invalid("multipleOf", here.at, "a number above 0", value));
        };
        let units = (step * UNITS).round();
        // Schemas that meet are multiplied with each other: their common multiple must stay small, too.
        #[allow(clippy::float_cmp, reason = "exact or not at all")]
        let is_exact = units / UNITS == step && units >= 1.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, positive, whole")]
        let common = (is_exact && units <= 1e9).then(|| lcm(self.multiple, units as u64));
        // In the library's own terms the unit is as large as the decimals allow.
        let reduced =
            |units: u64| (0..4).fold(units, |units, _| if units % 10 == 0 { units / 10 } else { units });
        match common.filter(|&common| reduced(common) <= MAX_MULTIPLE && common <= u64::from(u32::MAX)) {
            Some(common) => self.multiple = common,
            None => return Err(self.unsupported("multipleOf", here.at, "it has too many digits")),
        }
        out.set("multipleOf", value.clone());
        Ok(())
    }

    /// Refuses numbers in a literal that the library would round, and characters that it would leave out.
    pub(super) fn check_literal(&self, value: &Value, keyword: &str, at: &str) -> Result<()> {
        match value {
            Value::Number(number) => {
                let float = number.as_f64().unwrap_or(f64::INFINITY);
                let is_exact = match number.as_i64() {
                    Some(integer) => integer.unsigned_abs() <= EXACT_INTEGER,
                    None => float.abs() < EXACT && float.to_string().len() <= MAX_DIGITS,
                };
                if is_exact {
                    Ok(())
                } else {
                    Err(self.unsupported(keyword, at, &format!("{number} is not exact")))
                }
            }
            Value::String(text) if text.chars().any(is_unwritable) => {
                Err(self.unsupported(keyword, at, &format!("{value} has a control character")))
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.check_literal(item, keyword, at)),
            Value::Object(object) => {
                object.values().try_for_each(|value| self.check_literal(value, keyword, at))
            }
            _ => Ok(()),
        }
    }
}

fn lcm(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x).saturating_mul(b)
}
