// Every kernel of both engines against its naive twin, in the browser, with the cases of `tests/cases/`: the CPU's in each
// build, whose results must be the same to the last bit, the GPU's with whatever WebGPU there is.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { builds, root, soak, useHarness } from "./harness.mjs";

const folder = join(root, "target", "kernel-tests");
const harness = useHarness({ folders: { "/kernel-tests/": folder, "/fixtures/": join(import.meta.dirname, "fixtures") } });

const missing = builds.filter((build) => !existsSync(join(folder, `tabmind-${build}_bg.wasm`)));
const skip = missing.length > 0 && "not built: `cargo xtask build --kernel-tests`";

/** As many threads as any case asks for, where there are some: all that were started take part. */
const threadsOf = (build) => (build.endsWith("-threads") ? 3 : 1);

/** A page with a worker of one build; answers a function that asks it. */
async function open(t, build) {
  const page = await harness.page(t);
  await page.evaluate((query) => {
    const worker = new Worker(`/fixtures/kernels-worker.js?${query}`, { type: "module" });
    window.ask = (question) =>
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => (data.error === undefined ? resolve(data.value) : reject(new Error(data.error)));
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(question);
      });
  }, String(new URLSearchParams({ build, threads: threadsOf(build) })));
  return (question) => page.evaluate((asked) => window.ask(asked), question);
}

const hasHalves = async () => (await navigator.gpu?.requestAdapter())?.features.has("shader-f16") === true;

/** Checks all kernels, `cases(name)` times each; answers their reports by name. */
async function checkAll(t, { build, gpu, cases }) {
  const reports = {};
  let ask = await open(t, build);
  const names = await ask({ gpu });
  // In half precision only where there is some: elsewhere they would repeat the others.
  const halves = gpu && (await harness.page(t).then((page) => page.evaluate(hasHalves)));
  for (const name of names.filter((kernel) => halves || !kernel.startsWith("half"))) {
    // A page may take a minute, which WebGPU on a CPU needs for a few kernels.
    if (gpu) ask = await open(t, build);
    const report = await ask({ gpu, name, cases: cases(name), broken: false });
    assert.equal(report.failure, null, `${build}, ${name}: ${report.failure}`);
    assert.equal(report.cases, cases(name));
    reports[name] = report;
    // On the GPU each engine takes seconds to compile: one format stands for all.
    if (gpu && !soak && name.includes("projections") && !name.endsWith("projections Q4_0")) continue;
    const broken = await ask({ gpu, name, cases: 5, broken: true });
    assert.ok(broken.failure, `${build}, ${name}: it is noticed if the kernel is left out`);
  }
  return reports;
}

test("the CPU's kernels in each build", { skip }, async (t) => {
  const cases = () => (soak ? 1000 : 20);
  let first;
  for (const build of builds) {
    const reports = await checkAll(t, { build, gpu: false, cases });
    first ??= reports;
    assert.ok(Object.keys(reports).length > 40, "every kernel and format");
    for (const [name, { checksum }] of Object.entries(reports)) {
      assert.equal(checksum, first[name].checksum, `${name}: ${build} computes what ${builds[0]} computes`);
    }
  }
  assert.ok(new Set(Object.values(first).map(({ checksum }) => checksum)).size > 40, "checksums tell results apart");
  t.diagnostic(`${Object.keys(first).length} kernels, ${cases()} cases each, in ${builds.length} builds`);
});

test("the GPU's kernels", { skip }, async (t) => {
  // Projections come once for each format: all of them together have every epilogue.
  const cases = (name) => (soak ? 10 : 1) * (name.includes("projections") ? 1 : 2);
  const reports = await checkAll(t, { build: "relaxed", gpu: true, cases });
  assert.ok(Object.keys(reports).length > 18, "every kernel and format");
  t.diagnostic(`${Object.keys(reports).length} kernels, ${Object.values(reports).reduce((sum, report) => sum + report.cases, 0)} cases`);
});
