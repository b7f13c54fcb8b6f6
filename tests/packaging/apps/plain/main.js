import { load } from "./tabmind/index.js";
import { tasks } from "./tabmind/desk.js";

const engine = await load("embedded:desk");
const answer = await engine.chat.completions.create(tasks.ticket.request("The printer on floor 3 is jammed. Ana"));
document.body.textContent = answer.choices[0].message.content;
document.title = `threads: ${engine.info.threads}`;
