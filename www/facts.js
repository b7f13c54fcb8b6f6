/*
 * What this device and the loaded model are, as lists of facts.
 */
import { byId, setFacts } from "./dom.js";
import * as format from "./format.js";
import { describeSeal } from "./seal.js";

/** What can be told before any model is loaded. That WebGPU exists does not mean that it is fast: the engine decides and the model card says why. */
export function showDeviceFacts() {
  const cores = navigator.hardwareConcurrency;
  setFacts(byId("device", HTMLElement), [
    ["WebGPU", "gpu" in navigator ? "offered by this browser" : "not offered by this browser, the CPU will be used"],
    ["Threads", crossOriginIsolated ? `up to ${cores}` : "one: this host does not isolate the page. Once it is reloaded, its service worker does"],
  ]);
}

/**
 * @param {import("./tabmind.js").EngineInfo} info
 * @param {string} name
 */
export function showModelFacts(info, name) {
  byId("model-name", HTMLElement).textContent = name;
  setFacts(byId("model-facts", HTMLElement), [
    ["Architecture", info.architecture],
    ["Quantization", info.quantization],
    ["Parameters", info.parameters ? format.approximate(info.parameters) : null],
    ["Size", format.bytes(info.sizeBytes)],
    ["Context", `${format.integer(info.contextLength)} tokens`],
    ["Backend", info.backend === "webgpu" ? "WebGPU" : "CPU"],
    ["Why", info.backendReason],
    ["Adapter", info.adapter],
    ["Threads", info.backend === "cpu" && !crossOriginIsolated ? "1, the page is not isolated" : String(info.threads)],
    ["Network", describeSeal(info.sealed)],
    ["Loaded from", info.cached ? "this browser" : null],
    ["Note", info.notes.join(" ")],
    ["Licence", info.license],
  ]);
}
