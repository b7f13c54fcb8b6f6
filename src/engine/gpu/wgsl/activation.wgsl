// Prelude: the functions of kernels/activation.rs. Arguments of exp and tanh are kept where no driver overflows.

const SILU: u32 = 0u;
const GELU_TANH: u32 = 1u;
const GELU_ERF: u32 = 2u;
const IDENTITY: u32 = 3u;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(clamp(-x, -80.0, 80.0)));
}

fn safe_tanh(x: f32) -> f32 {
    return tanh(clamp(x, -10.0, 10.0));
}

// ln(1 + e^x)
fn softplus(x: f32) -> f32 {
    if x > 20.0 {
        return x;
    }
    let e = exp(x);
    // For small e, ln(1 + e) loses e's digits: its series keeps them.
    return select(log(1.0 + e), e * (1.0 - e * (0.5 - e / 3.0)), e < 0.01);
}

// Press et al., Numerical Recipes: erfc by a Chebyshev fit.
fn erf(x: f32) -> f32 {
    let z = abs(x);
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
        + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
    let erfc = t * exp(max(-z * z + p, -80.0));
    return select(erfc - 1.0, 1.0 - erfc, x >= 0.0);
}

fn activate(kind: u32, x: f32) -> f32 {
    switch kind {
        case SILU: { return x * sigmoid(x); }
        case GELU_TANH: { return 0.5 * x * (1.0 + safe_tanh(0.79788456 * x * (1.0 + 0.044715 * x * x))); }
        case GELU_ERF: { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }
        default: { return x; }
    }
}

// The soft cap c · tanh(x / c), or x itself where c is 0.
fn soft_cap(cap: f32, x: f32) -> f32 {
    if cap == 0.0 {
        return x;
    }
    return cap * safe_tanh(x / cap);
}
