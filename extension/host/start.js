// The host: owns the models, the conversation and the permissions of sites, and answers every port. In Chrome it is the
// offscreen document, in Firefox the background page. All state is here, so a service worker that ends takes nothing along.
import { cache } from "../tabmind.js";
import { Conversation, withoutText } from "./conversation.js";
import { Grants } from "./grants.js";
import { Models } from "./models.js";
import { Queue } from "./queue.js";
import { Sites } from "./sites.js";

/**
 * @typedef {import("../protocol.js").Patch} Patch
 * @typedef {import("../protocol.js").ViewMessage} ViewMessage
 * @typedef {import("../protocol.js").Wish} Wish
 */

/** @param {{ openPrompt: (origin: string) => Promise<void> }} outside what the host itself cannot do */
export function startHost({ openPrompt }) {
  /** @type {Set<chrome.runtime.Port>} */
  const views = new Set();
  const send = (/** @type {Patch} */ patch) => views.forEach((port) => port.postMessage(patch));
  const queue = new Queue();
  const models = new Models((model) => send({ model }));
  const conversation = new Conversation(models, queue, send);
  const grants = new Grants(openPrompt, (sites) => send({ sites }));
  const sites = new Sites(models, queue, grants);
  const sendStored = async () => send({ stored: await cache.list() });

  /** @param {ViewMessage} message */
  function obey(message) {
    switch (message.type) {
      case "chat":
        return conversation.chat(message.text);
      case "task":
        return conversation.task(message.task);
      case "again":
        return conversation.again(message.id);
      case "stop":
        return conversation.stop();
      case "clear":
        return conversation.clear();
      case "page":
        return conversation.about(message.page);
      case "load":
        return models.choose(message.source);
      case "load-files":
        return receiveFiles(message.ticket, (files) => models.choose(files));
      case "cancel-load":
        return models.cancelLoad();
      case "stored":
        return sendStored();
      case "forget-model":
        return cache.delete(message.url).finally(sendStored);
      case "decide":
        return grants.decide(message.origin, message.decision);
      case "forget-site":
        grants.forget(message.origin);
        return sites.revoke(message.origin);
    }
  }

  /** @param {chrome.runtime.Port} port */
  function connectView(port) {
    views.add(port);
    port.postMessage(/** @type {Patch} */ ({ model: models.state, page: withoutText(conversation.page), entries: conversation.entries, sites: grants.list() }));
    port.onMessage.addListener((/** @type {ViewMessage} */ message) => {
      Promise.resolve(obey(message)).catch((error) => console.error(`tabmind: ${message.type} failed:`, error));
    });
    port.onDisconnect.addListener(() => {
      views.delete(port);
      // The window that asks about a site carries the origin in its port's name.
      if (port.name.startsWith("prompt ")) grants.dismiss(port.name.slice("prompt ".length));
    });
  }

  chrome.runtime.onConnect.addListener((port) => {
    const origin = port.sender?.origin;
    if (port.name === "site") {
      // A sandboxed page's origin is "null": there is nobody whom a permission could name.
      if (origin && origin !== "null" && port.sender?.frameId === 0) sites.connect(port, origin);
      else port.disconnect();
    } else if (origin === location.origin) connectView(port);
    else port.disconnect();
  });

  return {
    /** From the background, which hears of context menus. @param {Extract<Wish, { to: "host" }>} wish */
    receive(wish) {
      if (wish.type === "task") void conversation.task(wish.task);
      else conversation.about(wish.page);
    },
  };
}

/**
 * Files cannot cross a port; a channel between documents of one origin carries them.
 * @param {string} ticket
 * @param {(files: File[]) => void} then
 */
function receiveFiles(ticket, then) {
  const channel = new BroadcastChannel(`tabmind-files-${ticket}`);
  channel.onmessage = ({ data }) => {
    channel.close();
    then(data);
  };
  channel.postMessage("ready");
}
