// Prelude of linear_tiled.wgsl and linear_tiled_packed.wgsl, behind product.wgsl: who computes what of a product of matrices.
//
// A workgroup computes ROWS rows for TOKENS items, an invocation OWN_ROWS of them, APART from each other, for four items.
// The host defines TOKENS and OWN_ROWS.

const ROWS: u32 = 64u;
// Distance of an invocation's rows.
const APART: u32 = ROWS / OWN_ROWS;
// Items four by four.
const QUADS: u32 = TOKENS / 4u;

// Epilogues of row `first_row` and those that follow APART from it, for items `first_item .. first_item + 4`. Of a single
// matrix the results are `sums`; of a gate these are the second operand's, and `first` the first one's.
fn finish(
    first_row: u32,
    first_item: u32,
    first: ptr<function, array<vec4<f32>, OWN_ROWS>>,
    sums: ptr<function, array<vec4<f32>, OWN_ROWS>>,
) {
    let count = item_count();
    for (var r = 0u; r < OWN_ROWS; r++) {
        let row = first_row + APART * r;
        if row >= params.rows {
            continue;
        }
        var a = select((*sums)[r], (*first)[r], params.second > 0u);
        var b = (*sums)[r];
        if params.bias != NONE {
            a += vectors[params.bias + row];
            b += vectors[params.bias + row + params.second_bias];
        }
        for (var c = 0u; c < 4u; c++) {
            let item = first_item + c;
            if item < count {
                let y = params.y + item * params.y_stride + row;
                acts[y] = epilogue(y, params.by + item * params.by_stride + row, a[c], b[c]);
            }
        }
    }
}
