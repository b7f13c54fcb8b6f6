;; How fast one thread of a page reads memory: sums a buffer, 64 bytes a step into four accumulators, so that nothing
;; but the memory is waited for.
(module
  (memory (export "memory") 0x2000) ;; 512 MB
  (func (export "read") (param $start i32) (param $end i32) (result i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (loop $next
      (local.set $a (i32x4.add (local.get $a) (v128.load (local.get $start))))
      (local.set $b (i32x4.add (local.get $b) (v128.load offset=16 (local.get $start))))
      (local.set $c (i32x4.add (local.get $c) (v128.load offset=32 (local.get $start))))
      (local.set $d (i32x4.add (local.get $d) (v128.load offset=48 (local.get $start))))
      (br_if $next (i32.lt_u (local.tee $start (i32.add (local.get $start) (i32.const 64))) (local.get $end))))
    (i32x4.extract_lane 0
      (i32x4.add (i32x4.add (local.get $a) (local.get $b)) (i32x4.add (local.get $c) (local.get $d))))))
