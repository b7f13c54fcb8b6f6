// Which sites may use the model, and whether sites are offered it at all.
import { connectToHost } from "./host-line.js";
import { byId, el } from "./www/dom.js";

/** @typedef {import("./protocol.js").Site} Site */

const toggle = byId("toggle", HTMLButtonElement);
const problem = byId("problem", HTMLElement);
const wanted = { origins: chrome.runtime.getManifest().optional_host_permissions ?? [] };

const host = connectToHost("options", {
  onPatch: ({ sites }) => sites && showSites(sites),
  onLost: () => (problem.textContent = "The engine ended; load this page again."),
});

/** @param {Site[]} sites */
function showSites(sites) {
  byId("none", HTMLElement).hidden = sites.length > 0;
  byId("sites", HTMLElement).replaceChildren(...sites.toSorted((a, b) => b.at - a.at).map(row));
}

/** @param {Site} site */
function row({ origin, decision, at }) {
  const said = `${decision === "allowed" ? "Allowed" : "Blocked"} on ${new Date(at).toLocaleDateString()}`;
  const forget = el("button", { type: "button", class: "small", onclick: () => void host.send({ type: "forget-site", origin }) }, decision === "allowed" ? "Take back" : "Forget");
  return el("li", {}, el("span", { class: "site" }, origin), el("span", { class: "note" }, said), forget);
}

async function showSwitch() {
  const on = await chrome.permissions.contains(wanted);
  byId("state", HTMLElement).textContent = on ? "on" : "off";
  toggle.textContent = on ? "Switch off" : "Switch on";
  toggle.onclick = () => void flip(on);
}

/** The browser asks the person; its answer is the state of the switch. @param {boolean} on */
async function flip(on) {
  problem.textContent = "";
  try {
    await (on ? chrome.permissions.remove(wanted) : chrome.permissions.request(wanted));
  } catch (error) {
    problem.textContent = error instanceof Error ? error.message : String(error);
  }
  await showSwitch();
}

chrome.permissions.onAdded.addListener(() => void showSwitch());
chrome.permissions.onRemoved.addListener(() => void showSwitch());
void showSwitch();
