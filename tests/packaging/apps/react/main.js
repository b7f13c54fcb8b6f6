import { StrictMode, createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";
import { useChat, useEngine } from "tabmind/react";
import { tasks } from "tabmind/desk";

const { system, schema } = tasks.ticket;
const form = { type: "json_schema", json_schema: { name: "ticket", schema } };

function Chat({ model, free }) {
  const { status, engine, error, retry } = useEngine(model);
  // Without a form the model writes until it is stopped.
  const chat = useChat(engine, free ? { ignore_eos: true } : { system, response_format: form, temperature: 0 });
  const button = (name, action) => h("button", { onClick: action }, name);
  return h("section", null,
    h("p", { id: "status" }, `${status}, ${chat.status}`),
    h("p", { id: "error" }, (error ?? chat.error)?.code),
    h("ol", null, chat.messages.map(({ role, content }, index) => h("li", { key: index, className: role }, content))),
    button("Ask", () => chat.send("The printer on floor 3 is jammed. Ana")),
    button("Stop", chat.stop), button("Clear", () => chat.setMessages([])), button("Retry", retry));
}

function App() {
  const [shown, setShown] = useState(true);
  const query = new URLSearchParams(location.search);
  return h("main", null,
    h("button", { onClick: () => setShown(!shown) }, "Toggle"),
    shown && h(Chat, { model: query.get("model") ?? "embedded:desk", free: query.has("free") }));
}

createRoot(document.querySelector("#root")).render(h(StrictMode, null, h(App)));
