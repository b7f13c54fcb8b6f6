//! The likeliest token: `argmax(l) = min { i : l_i = max l }`.

/// The index of the largest of `logits`, `[vocabulary]`; the first of equals, 0 if there is none.
pub fn argmax(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, &logit) in (0..).zip(logits) {
        if logit > best.1 {
            best = (id, logit);
        }
    }
    best.0
}
