import { load } from "tabmind";
import { tasks } from "tabmind/desk";

const engine = await load("embedded:desk", { assets: "./tabmind/" });
const answer = await engine.chat.completions.create(tasks.ticket.request("The printer on floor 3 is jammed. Ana"));
document.body.textContent = answer.choices[0].message.content;
document.title = `threads: ${engine.info.threads}`;
