// What crosses between the parts of the extension. Everything is JSON: that is what ports carry in every browser.
import type { CachedModel, ChatChunk, ChatCompletion, Progress } from "tabmind";

/** What can be done with a piece of text. The last two are desk's own. */
export type TaskKind = "summarise" | "rewrite" | "explain" | "ticket" | "invoice";

/** Where a text was selected, so that a result can be put back there. */
export interface Place {
  tabId: number;
  frameId: number;
}

export interface Task {
  kind: TaskKind;
  text: string;
  place: Place | null;
}

/** The article of a page that somebody asks about. */
export interface PageText {
  title: string;
  url: string;
  text: string;
  place: Place;
}

export interface Problem {
  code: string;
  message: string;
  hint: string | null;
}

/** One thing that was said, asked for or written. */
export interface Entry {
  id: number;
  role: "user" | "assistant";
  /** `chat`, or the task that was asked for. */
  kind: "chat" | TaskKind;
  text: string;
  place: Place | null;
  /** `waiting` until the first token: the model is loading, or reads. */
  state: "done" | "waiting" | "streaming" | "stopped" | "length" | "failed";
  problem: Problem | null;
  /** What a person should know of the answer: how much of the text the model could read. */
  note: string | null;
  form: { values: Record<string, string | number | null>; confidence: Record<string, number> } | null;
}

export interface ModelState {
  /** What was chosen: an address, a name on the hub, `embedded:desk`, or null for files, which are not remembered. */
  source: string | null;
  label: string;
  /** desk fills forms; every other model is taken at its word that it can chat. */
  kind: "forms" | "general";
  phase: "idle" | "loading" | "ready" | "failed";
  progress: Progress | null;
  problem: Problem | null;
  /** Once it is loaded: what it is and what runs it. */
  facts: string | null;
}

export type Decision = "allowed" | "blocked";

export interface Site {
  origin: string;
  decision: Decision;
  at: number;
}

/** All that the panel and the options show. A patch of it is sent whenever a part changes. */
export interface Board {
  model: ModelState;
  page: Omit<PageText, "text"> | null;
  entries: Entry[];
  sites: Site[];
}
export type Patch = Partial<Board> & { entry?: Entry; stored?: CachedModel[] };

/** From the extension's own pages to the host. */
export type ViewMessage =
  | { type: "chat"; text: string }
  | { type: "task"; task: Task }
  | { type: "again"; id: number }
  | { type: "stop" }
  | { type: "clear" }
  | { type: "page"; page: PageText | null }
  | { type: "load"; source: string }
  | { type: "load-files"; ticket: string }
  | { type: "cancel-load" }
  | { type: "stored" }
  | { type: "forget-model"; url: string }
  | { type: "decide"; origin: string; decision: Decision }
  | { type: "forget-site"; origin: string };

/** From a site's page, through the content script, to the host. `active`: whether the browser counts a click or a key of just now. */
export type SiteMessage = { type: "create"; id: number; params: Record<string, unknown>; active: boolean } | { type: "abort"; id: number };

/** Back to the site's page. */
export type SiteAnswer =
  | { type: "start"; id: number }
  | { type: "chunk"; id: number; chunk: ChatChunk }
  | { type: "result"; id: number; result: ChatCompletion }
  | { type: "end"; id: number }
  | { type: "error"; id: number; error: { name: string; code: string; message: string; hint: string | null } };

/** One-off messages between the extension's own contexts; `to` because every context hears them all. */
export type Wish =
  | { to: "background"; type: "wake-host" }
  | { to: "background"; type: "prompt"; origin: string }
  | { to: "host"; type: "task"; task: Task }
  | { to: "host"; type: "page"; page: PageText };
